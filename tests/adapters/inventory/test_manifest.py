import os
from pathlib import Path

import pytest

from domain.action import ActionKind
from domain.health import ContainerProbe, HttpProbe, UnitProbe
from domain.inventory import Limits, ServiceKind
from tests.adapters.inventory.conftest import Read, Write, manifest

FULL = """
  - name: Web
    kind: unit
    target: shop-web
    aliases: [Shop, front end]
    probes:
      - {kind: http, url: "http://127.0.0.1:8000/healthz", timeout_s: 2}
    depends_on: [database]
    tags: [shop]
    actions: [restart, start]
    approval: [restart]
    limits: {restarts: 1, restart_window_s: 600}
    critical: true
    notes: Sells things.
  - {name: database, kind: unit}
  - {name: vpn, kind: container}
  - {name: torrent, kind: container, shares_network_of: vpn}
  - {name: dns, kind: external, node: router}
"""


async def test_a_full_declaration_becomes_services(write: Write, read: Read):
    write("home/CLAUDE-OPS.md", manifest(FULL))
    inventory = await read()
    assert inventory.problems == ()
    web, database, vpn, torrent, dns = inventory.services
    assert (web.id, web.kind, web.target, web.repository) == ("local/web", ServiceKind.UNIT, "shop-web", "home")
    assert isinstance(web.probes[0], HttpProbe)
    assert (web.depends_on, web.aliases) == (("local/database",), ("Shop", "front end"))
    assert (web.actions, web.approval) == ((ActionKind.RESTART, ActionKind.START), (ActionKind.RESTART,))
    assert (web.limits, web.critical, web.notes) == (Limits(restarts=1, restart_window_s=600), True, "Sells things.")
    assert isinstance(database.probes[0], UnitProbe)
    assert ActionKind.RELOAD_CONFIG in database.actions
    assert isinstance(vpn.probes[0], ContainerProbe)
    assert ActionKind.COMPOSE_UP in vpn.actions
    assert (torrent.shares_network_of, torrent.depends_on) == ("local/vpn", ())
    assert (dns.id, dns.actions, dns.probes) == ("router/dns", (), ())
    assert inventory.resolve("FRONT END") == web
    assert inventory.repositories[0].manifest == "# About\nProse."


@pytest.mark.parametrize(
    ("service", "field", "message", "fix"),
    [
        ("{name: web, kind: unit, alias: [x]}", "services[0].alias", "no such field", "did you mean 'aliases'?"),
        ("{kind: unit}", "services[0].name", "missing", "add 'name'"),
        ("{name: 'a b', kind: unit}", "services[0].name", "not allowed", "letters, digits"),
        ("{name: ../x, kind: unit}", "services[0].name", "not allowed", "letters, digits"),
        ("{name: web, kind: vm}", "services[0].kind", "cannot be used", "'container', 'unit' or 'external'"),
        ("{name: web}", "services[0].kind", "no compose file", "add 'kind"),
        ("{name: web, kind: unit, limits: {restarts: -1}}", "services[0].limits.restarts", "cannot be used", "correct"),
        ("{name: web, kind: unit, critical: [1]}", "services[0].critical", "cannot be used", "write a bool"),
        ("{name: web, kind: unit, actions: [compose_up]}", "services[0].actions", "cannot be done", "use recreate"),
        ("{name: web, kind: unit, actions: [rm]}", "services[0].actions[0]", "cannot be used", "'restart'"),
        ("just text", "services[0]", "cannot be used", "write a"),
        (
            "{name: web, kind: unit, probes: [{kind: http, url: shop}]}",
            "services[0].probes[0].url",
            "whole address",
            "correct",
        ),
        ("{name: web, kind: unit, probes: [{kind: ping}]}", "services[0].probes[0]", "no kind of probe", "'http'"),
        ("{name: web, kind: unit, probes: [{url: x}]}", "services[0].probes[0]", "needs a 'kind'", "kind: http"),
        ("{name: web, kind: unit, probes: [{kind: tcp, host: x}]}", "services[0].probes[0].port", "missing", "'port'"),
        ("{name: web, kind: unit, depends_on: [nowhere]}", "depends_on", "no declared service", "<node>/<name>"),
    ],
)
async def test_a_wrong_field_is_named_with_its_fix_and_the_rest_goes_on(
    write: Write, read: Read, service: str, field: str, message: str, fix: str
):
    write("home/CLAUDE-OPS.md", manifest(f"  - {service}\n  - {{name: other, kind: unit}}"))
    inventory = await read()
    (problem,) = inventory.problems
    assert problem.field == field
    assert message in problem.message
    assert fix in problem.fix
    assert inventory.by_id("local/other") is not None
    assert "home/CLAUDE-OPS.md" in problem.line()


async def test_a_broken_probe_leaves_the_service_with_its_others(write: Write, read: Read):
    probes = '[{kind: tcp, host: a, port: 1}, {kind: http, url: "x"}]'
    write("home/CLAUDE-OPS.md", manifest(f"  - {{name: web, kind: unit, probes: {probes}}}"))
    inventory = await read()
    assert [p.kind for p in inventory.services[0].probes] == ["tcp"]
    assert len(inventory.problems) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("---\nservices: [\n---\n", "line"),
        ("---\nservices: []\nservices: []\n---\n", "given twice"),
        ("---\nservices: []\n", "not closed"),
        ("---\nversion: 2\n---\n", "cannot be used"),
        ("---\n- a\n---\n", "cannot be used"),
        ("---\nx: !!python/object/apply:os.system [id]\n---\n", "not usable"),
        ("---\na: &a [x, *a]\n---\n", "for itself"),
        ("---\nx: " + "[" * 2000 + "\n---\n", "nested deeper"),
        (
            "---\na: &a [x,x,x,x,x,x,x,x,x,x]\n"
            + "\n".join(
                f"{k}: &{k} [{','.join('*' + p for _ in range(10))}]" for p, k in zip("abcdef", "bcdefg", strict=True)
            )
            + "\n---\n",
            "grows to more",
        ),
        (
            "---\na: &a {x: 1}\n"
            + "\n".join(
                f"{k}: &{k} {{<<: [{','.join('*' + p for _ in range(30))}]}}"
                for p, k in zip("abcdef", "bcdefg", strict=True)
            )
            + "\n---\n",
            "grows to more",
        ),
    ],
)
async def test_unusable_front_matter_is_one_problem_and_the_prose_stays(
    write: Write, read: Read, text: str, words: str
):
    write("bad/CLAUDE-OPS.md", text + "still here")
    write("good/CLAUDE-OPS.md", manifest("  - {name: web, kind: unit}"))
    inventory = await read()
    assert [s.id for s in inventory.services] == ["local/web"]
    assert len(inventory.problems) == 1
    assert words in inventory.problems[0].message
    assert "still here" in inventory.repositories[0].manifest


async def test_prose_alone_is_no_problem(write: Write, read: Read):
    write("home/CLAUDE-OPS.md", "# My homelab\nEverything runs on the NAS.\n")
    inventory = await read()
    assert (inventory.services, inventory.problems) == ((), ())
    assert "NAS" in inventory.repositories[0].manifest


async def test_checks_and_playbooks_are_listed_by_name(write: Write, read: Read):
    write("home/CLAUDE-OPS.md", "x")
    write("home/.claude-ops/checks/backups.md", "x")
    write("home/.claude-ops/checks/run.sh", "rm -rf /")
    write("home/.claude-ops/playbooks/fix.md", "x")
    (notes,) = (await read()).repositories
    assert (notes.checks, notes.playbooks) == (("backups.md",), ("fix.md",))


async def test_links_out_of_the_repository_are_not_followed(write: Write, read: Read, tmp_path: Path, repos: Path):
    secret = tmp_path / "secret.md"
    secret.write_text(manifest("  - {name: stolen, kind: unit}"))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "compose.yaml").write_text("services: {stolen: {}}")
    (repos / "evil" / ".claude-ops").mkdir(parents=True)
    (repos / "evil" / "CLAUDE-OPS.md").symlink_to(secret)
    (repos / "evil" / "stack").symlink_to(tmp_path / "elsewhere")
    (repos / "evil" / ".claude-ops" / "checks").symlink_to(tmp_path)
    inventory = await read()
    assert inventory.services == ()
    assert "leads out" in inventory.problems[0].message
    assert inventory.repositories[0].checks == ()


async def test_unreadable_files_are_problems_and_the_rest_goes_on(write: Write, read: Read, repos: Path):
    write("big/CLAUDE-OPS.md", "x" * 1_100_000)
    (repos / "pipe").mkdir()
    os.mkfifo(repos / "pipe" / "CLAUDE-OPS.md")
    (repos / "folder" / "CLAUDE-OPS.md").mkdir(parents=True)
    write("binary/CLAUDE-OPS.md", "").write_bytes(b"\xff\xfe\x00")
    write("empty/README.md", "nothing")
    write("good/CLAUDE-OPS.md", manifest("  - {name: web, kind: unit}"))
    inventory = await read()
    assert [s.id for s in inventory.services] == ["local/web"]
    found = {p.repository: p.message for p in inventory.problems}
    assert set(found) == {"big", "pipe", "folder", "binary", "empty"}
    assert "larger" in found["big"]
    assert "ordinary" in found["pipe"]
    assert "UTF-8" in found["binary"]
    assert "declares no service" in found["empty"]


async def test_a_missing_folder_says_which_setting_to_change(tmp_path: Path):
    from adapters.inventory.source import RepositorySource

    inventory = await RepositorySource(tmp_path / "nowhere").read()
    assert "TIERCEL_REPOS_DIR" in inventory.problems[0].fix
