"""Where the sessions of a repository's services wish to go."""

import pytest

from tests.adapters.inventory.conftest import Read, Write, manifest

SERVICE = "  - {name: web, kind: unit}"


async def test_its_domains_are_kept_with_the_repository_through_the_record_and_back(write: Write, read: Read) -> None:
    write("app/CLAUDE-OPS.md", manifest(SERVICE))
    write(
        "app/.claude/container.yaml",
        "name: app\nsecurity:\n  readOnlyRoot: true\n  allowedDomains: [api.example.org, '*.x.org', git.lan:3000]\n",
    )
    found = await read()
    assert found.problems == ()
    again = type(found).model_validate_json(found.model_dump_json())
    assert again.repositories[0].domains == ("api.example.org", "*.x.org", "git.lan:3000")


@pytest.mark.parametrize(
    ("text", "field", "kept"),
    [
        ("security: {allowedDomains: ['*', ok.example.org]}", "security.allowedDomains[0]", ("ok.example.org",)),
        ("security: {allowedDomains: [{a: b}, 'http://x.org/']}", "security.allowedDomains[0]", ()),
        ("security: {allowedDomains: everything}", "security.allowedDomains", ()),
        ("security: [", "", ()),
        ("security: {allowedDomains: [" + ", ".join(f"a{n}.example.org" for n in range(101)) + "]}", "security.allowedDomains", None),
    ],
)  # fmt: skip
async def test_what_cannot_be_used_is_a_problem_with_its_fix(
    write: Write, read: Read, text: str, field: str, kept: tuple[str, ...] | None
) -> None:
    write("app/CLAUDE-OPS.md", manifest(SERVICE))
    write("app/.claude/container.yaml", text)
    found = await read()
    assert found.problems[0].file == ".claude/container.yaml"
    assert found.problems[0].field == field
    assert found.problems[0].fix
    assert len(found.services) == 1
    if kept is not None:
        assert found.repositories[0].domains == kept


@pytest.mark.parametrize("text", ["", "name: x", "security: {}", "- a", "security: {allowedDomains: }"])
async def test_without_a_list_there_is_none_and_no_problem(write: Write, read: Read, text: str) -> None:
    write("app/CLAUDE-OPS.md", manifest(SERVICE))
    write("app/.claude/container.yaml", text)
    found = await read()
    assert (found.problems, found.repositories[0].domains) == ((), ())
