"""What a repository says about the sessions of its services: limits, tools, and where they wish to go."""

from pathlib import Path

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


@pytest.mark.parametrize("text", ["", "name: x", "security: {}", "security: {allowedDomains: }"])
async def test_without_a_list_there_is_none_and_no_problem(write: Write, read: Read, text: str) -> None:
    write("app/CLAUDE-OPS.md", manifest(SERVICE))
    write("app/.claude/container.yaml", text)
    found = await read()
    assert (found.problems, found.repositories[0].domains) == ((), ())


EXAMPLE = """
name: my-project
baseImage: claude-base:latest

tools:
  allowed:
    - Read
    - Write
    - Edit
    - Bash
    - Browser

mcpServers:
  - name: github
    env:
      GITHUB_TOKEN: ${GITHUB_TOKEN}

resources:
  memory: 2Gi
  timeout: 600s
  cpu: "2"

security:
  runAsUser: 1000
  readOnlyRoot: false
  noNewPrivileges: true
  dropCapabilities:
    - ALL
  networkMode: bridge
  allowedDomains:
    - github.com
"""


async def test_every_field_is_read_and_what_no_session_gets_is_told(write: Write, read: Read) -> None:
    write("app/CLAUDE-OPS.md", manifest(SERVICE))
    write("app/.claude/container.yaml", EXAMPLE)
    found = await read()
    rules = found.repositories[0].container
    assert (rules.memory_mb, rules.timeout_s, rules.cpus, rules.unusable) == (2048, 600.0, 2.0, "")
    assert rules.tools == ("Read", "Write", "Edit", "Bash", "Browser")
    assert found.repositories[0].domains == ("github.com",)
    told = {problem.field: problem.fix for problem in found.problems}
    assert sorted(told) == ["baseImage", "mcpServers[0].name", "security.networkMode", "security.readOnlyRoot"]
    assert "TIERCEL_SESSION_IMAGE" in told["baseImage"]
    again = type(found).model_validate_json(found.model_dump_json())
    assert again.repositories[0].container == rules


async def test_tools_of_any_kind_are_withheld_with_the_reason(write: Write, read: Read) -> None:
    write("app/CLAUDE-OPS.md", manifest(SERVICE))
    text = '{act: only people change it, sql_read: "customers\\u202e", Read: no <b>text</b>}'
    write("app/.claude/container.yaml", f"tools: {{withheld: {text}}}")
    found = await read()
    assert found.problems == ()
    rules = found.repositories[0].container
    assert rules.withheld == {"act": "only people change it", "sql_read": "customers", "Read": "no <b>text</b>"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{memory: 512Mi}", {"memory_mb": 512}),
        ("{memory: 1G}", {"memory_mb": 953}),
        ("{memory: 1073741824}", {"memory_mb": 1024}),
        ("{cpu: 500m}", {"cpus": 0.5}),
        ("{cpu: 1.5}", {"cpus": 1.5}),
        ("{timeout: 10m}", {"timeout_s": 600.0}),
        ("{timeout: 90}", {"timeout_s": 90.0}),
        ("{pids: 128, disk: 1Gi}", {"pids": 128, "disk_mb": 1024}),
    ],
)
async def test_amounts_are_read_in_their_usual_spellings(
    write: Write, read: Read, text: str, expected: dict[str, float]
) -> None:
    write("app/CLAUDE-OPS.md", manifest(SERVICE))
    write("app/.claude/container.yaml", f"resources: {text}")
    found = await read()
    assert found.problems == ()
    rules = found.repositories[0].container.model_dump(exclude_none=True)
    assert rules == {**expected, "withheld": {}, "unusable": ""}


@pytest.mark.parametrize(
    ("text", "field", "fix"),
    [
        ("- a", "", "'name: value'"),
        ("resources: 5", "resources", "name: value"),
        ("tools: {withheld: {sqlread: not here}}", "tools.withheld.sqlread", "did you mean 'sql_read'?"),
        ("tools: {withheld: {act: ''}}", "tools.withheld.act", ""),
        ("tools: {withheld: [act]}", "tools.withheld", ""),
        ("resorces: {}", "resorces", "did you mean 'resources'?"),
        ("resources: {memory: lots}", "resources.memory", "512Mi"),
        ("resources: {memory: -1Gi}", "resources.memory", "512Mi"),
        ("resources: {memory: 1e3}", "resources.memory", "512Mi"),
        ("resources: {memory: true}", "resources.memory", "512Mi"),
        ("resources: {memory: 1Mi}", "resources.memory", "512Mi"),
        ("resources: {timeout: 1s}", "resources.timeout", "600s"),
        ("resources: {timeout: 5d}", "resources.timeout", "600s"),
        ("resources: {cpu: 0}", "resources.cpu", "500m"),
        ("resources: {pids: 1}", "resources.pids", "correct"),
        ("resources: {disk: .inf}", "resources.disk", "512Mi"),
        ("security: {runAsUser: 0}", "security.runAsUser", "correct"),
        ("security: {readOnlyRoot: maybe}", "security.readOnlyRoot", "write a bool"),
        ("security: {networkMode: host}", "security.networkMode", "'none' or 'bridge'"),
        ("security: {privileged: true}", "security.privileged", ""),
        ("tools: {allowed: [Read, Root]}", "tools.allowed[1]", "'Read'"),
        ("mcpServers: [{name: tiercel, env: {TOKEN: abc123}}]", "mcpServers[0].env.TOKEN", "${NAME}"),
        ("mcpServers: [{name: tiercel, command: sh}]", "mcpServers[0].command", "remove it"),
        ("baseImage: '../x y'", "baseImage", "letters"),
    ],
)
async def test_what_is_not_understood_holds_sessions_back_and_says_why(
    write: Write, read: Read, text: str, field: str, fix: str
) -> None:
    write("app/CLAUDE-OPS.md", manifest(SERVICE))
    write("app/.claude/container.yaml", text)
    found = await read()
    (problem,) = found.problems
    assert problem.field == field
    assert fix in problem.fix
    assert "abc123" not in problem.line()
    assert found.repositories[0].container.unusable == problem.line()
    assert len(found.services) == 1


async def test_a_file_that_cannot_be_opened_holds_sessions_back_too(write: Write, read: Read, tmp_path: Path) -> None:
    write("app/CLAUDE-OPS.md", manifest(SERVICE))
    write("app/.claude/note", "")
    (tmp_path / "elsewhere").write_text("resources: {}")
    (next(tmp_path.rglob(".claude")) / "container.yaml").symlink_to(tmp_path / "elsewhere")
    found = await read()
    assert "leads out of the repository" in found.repositories[0].container.unusable
