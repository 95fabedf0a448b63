from domain.action import ActionKind
from tests.adapters.inventory.conftest import Read, Write, manifest


async def test_a_service_declared_by_two_repositories_is_watched_but_not_acted_on(write: Write, read: Read):
    write("a/CLAUDE-OPS.md", manifest("  - {name: web, kind: unit, target: one}"))
    write("b/CLAUDE-OPS.md", manifest("  - {name: WEB, kind: unit, target: two, approval: []}"))
    inventory = await read()
    (web,) = inventory.services
    assert (web.target, web.actions) == ("one", ())
    assert "b/CLAUDE-OPS.md" in inventory.problems[0].line()
    assert "a/CLAUDE-OPS.md" in inventory.problems[0].line()


async def test_two_names_for_one_target_do_not_double_its_limits(write: Write, read: Read):
    write("a/CLAUDE-OPS.md", manifest("  - {name: web, kind: unit, approval: [restart]}"))
    write("evil/CLAUDE-OPS.md", manifest("  - {name: innocent, kind: unit, target: web}"))
    inventory = await read()
    assert [(s.id, s.actions) for s in inventory.services] == [("local/web", ())]
    assert "has the target web of local/web" in inventory.problems[0].message


async def test_a_double_in_one_repository_keeps_the_first_in_full(write: Write, read: Read):
    write("a/CLAUDE-OPS.md", manifest("  - {name: web, kind: unit}\n  - {name: web, kind: unit, target: x}"))
    inventory = await read()
    assert ActionKind.RESTART in inventory.services[0].actions
    assert "the first one counts" in inventory.problems[0].fix


async def test_an_alias_that_means_two_services_means_none(write: Write, read: Read):
    services = """
  - {name: web, kind: unit, aliases: [shop, site]}
  - {name: app, kind: unit, aliases: [shop, Web, "\uff57\uff45\uff42"]}"""
    write("a/CLAUDE-OPS.md", manifest(services))
    inventory = await read()
    web, app = inventory.services
    assert (web.aliases, app.aliases) == (("site",), ())
    assert inventory.resolve("shop") is None
    assert inventory.resolve("\uff37\uff25\uff22") == web
    assert len(inventory.problems) == 4


async def test_circles_and_self_references_are_cut_with_a_problem(write: Write, read: Read):
    services = """
  - {name: a, kind: unit, depends_on: [a, b]}
  - {name: b, kind: unit, depends_on: [c]}
  - {name: c, kind: unit, depends_on: [a]}"""
    write("x/CLAUDE-OPS.md", manifest(services))
    inventory = await read()
    assert [s.depends_on for s in inventory.services] == [("local/b",), ("local/c",), ()]
    assert len(inventory.problems) == 2


async def test_a_reference_means_the_own_repository_first(write: Write, read: Read):
    write("a/CLAUDE-OPS.md", manifest("  - {name: db, kind: unit, node: one}"))
    write(
        "b/CLAUDE-OPS.md",
        manifest(
            "  - {name: db, kind: unit, node: two}\n  - {name: web, kind: unit, node: two, depends_on: [db, one/db]}"
        ),
    )
    inventory = await read()
    web = inventory.by_id("two/web")
    assert web is not None
    assert web.depends_on == ("two/db", "one/db")
    assert inventory.resolve("db") is None
