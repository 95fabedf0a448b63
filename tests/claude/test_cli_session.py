"""What the real CLI does with our command line, against a scripted model: beginning, report, limits, credentials."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from claude.argv import API_KEY_PLACEHOLDER, OAUTH_PLACEHOLDER
from claude.events import AssistantText, Result, ToolResult
from config.claude_cli import LOCKED_VERSION
from config.library import report_schema
from demo.model import Scenario, fingerprint
from domain.session import SessionStatus, TierSettings
from tests.support.claude_cli import GOOD_REPORT, TIER_1, TIER_2, Ended, bench

pytestmark = pytest.mark.cli

OFFERED = {
    "Glob",
    "Grep",
    "Read",
    "StructuredOutput",
    "mcp__tiercel__logs",
    "mcp__tiercel__probe",
    "mcp__tiercel__services",
}


def script(*steps: dict[str, Any]) -> Scenario:
    return Scenario.model_validate({"rules": [{"name": "only", "steps": steps}]})


REPORTS = script(
    {"say": "I look.", "use": {"tool": "probe", "input": {"service": "local/web"}}}, {"report": GOOD_REPORT}
)


async def test_a_session_begins_with_our_tools_only_and_ends_with_a_report(tmp_path: Path):
    async with bench(tmp_path, REPORTS) as b:
        ended = await b.run(b.plan(report_schema=report_schema()))
        first = b.model.requests[0]
    assert ended.verdict.status is SessionStatus.COMPLETED, ended.verdict
    assert ended.verdict.report
    assert ended.verdict.report.summary == "done"
    assert ended.init
    assert ended.init.version == LOCKED_VERSION
    assert ended.init.permission_mode == "dontAsk"
    assert ended.init.servers == {"tiercel": "connected"}
    assert set(ended.init.tools) == OFFERED | {"mcp__tiercel__act"}
    assert set(first.tools) == OFFERED | {"mcp__tiercel__act"}
    assert (first.tier, first.model, first.prompt) == (2, TIER_2.model, "look at local/web")
    assert ended.verdict.usage.output_tokens > 0
    assert ended.verdict.usage.cost_usd > 0


async def test_a_session_prints_exactly_one_result(tmp_path: Path):
    async with bench(tmp_path, REPORTS) as b:
        ended = await b.run(b.plan())
    assert len(ended.of(Result)) == 1
    assert ended.of(ToolResult)[0].text == "probe was done"


async def test_tier_1_is_not_offered_act_and_cannot_call_it(tmp_path: Path):
    tries = script(
        {"use": {"tool": "act", "input": {"kind": "restart", "target": "local/web"}}}, {"report": GOOD_REPORT}
    )
    async with bench(tmp_path, tries) as b:
        ended = await b.run(b.plan(tier=TIER_1))
        assert set(b.model.requests[0].tools) == OFFERED
    assert b.door.tool_calls == []
    assert ended.of(ToolResult)[0].is_error


@pytest.mark.parametrize(
    ("kind", "header", "placeholder"),
    [("api_key", "x-api-key", API_KEY_PLACEHOLDER), ("oauth", "authorization", OAUTH_PLACEHOLDER)],
)
async def test_the_wire_carries_the_placeholder_in_the_header_of_its_kind(
    tmp_path: Path, kind: str, header: str, placeholder: str
):
    async with bench(tmp_path, REPORTS) as b:
        ended = await b.run(b.plan(credential_kind=kind))
        seen = {(r.credential_header, r.credential) for r in b.model.requests}
        betas = b.model.requests[0].betas
    assert ended.verdict.status is SessionStatus.COMPLETED, ended.verdict
    assert seen == {(header, fingerprint(placeholder))}
    assert ("oauth-2025-04-20" in betas) == (kind == "oauth")


async def test_an_end_without_a_report_is_no_success(tmp_path: Path):
    async with bench(
        tmp_path, script({"say": "All is well, believe me."}, {"say": "Really."}, {"say": "Really!"})
    ) as b:
        ended = await b.run(b.plan())
    assert ended.exit.code == 0
    assert ended.verdict.status is SessionStatus.INVALID


async def test_a_report_that_never_fits_the_schema_is_invalid(tmp_path: Path):
    bad = {"report": {"summary": 5}}
    async with bench(tmp_path, script(*([bad] * 8))) as b:
        ended = await b.run(b.plan(report_schema=report_schema()))
    assert ended.verdict.status is SessionStatus.INVALID, ended.verdict
    assert ended.exit.code == 1


async def test_a_report_that_fits_at_the_second_attempt_counts(tmp_path: Path):
    async with bench(tmp_path, script({"report": {"summary": 5}}, {"report": GOOD_REPORT})) as b:
        ended = await b.run(b.plan(report_schema=report_schema()))
    assert ended.verdict.status is SessionStatus.COMPLETED, ended.verdict


@pytest.mark.parametrize(("field", "value"), [("max_turns", 2), ("budget_usd", 0.001)])
async def test_turns_and_money_are_limits(tmp_path: Path, field: str, value: float):
    look = {"use": {"tool": "probe", "input": {"service": "local/web"}}}
    tier = TierSettings.model_validate(TIER_2.model_dump() | {field: value})
    async with bench(tmp_path, script(*([look] * 8))) as b:
        ended = await b.run(b.plan(tier=tier))
    assert ended.verdict.status is SessionStatus.LIMIT, ended.verdict
    assert ended.verdict.bound == {"max_turns": "turns", "budget_usd": "money"}[field]
    assert len(b.door.tool_calls) <= 2


async def test_a_line_of_half_a_megabyte_and_a_prompt_of_200_kb_pass(tmp_path: Path):
    words = "word " * 100_000
    async with bench(tmp_path, script({"say": words, "report": GOOD_REPORT})) as b:
        ended = await b.run(b.plan(prompt="look at local/web " + "x" * 200_000))
    assert ended.verdict.status is SessionStatus.COMPLETED, ended.verdict
    assert max(len(line) for line in ended.lines) > 400_000
    assert ended.of(AssistantText)[0].text == words


async def test_only_the_working_folder_and_the_given_folders_can_be_read(tmp_path: Path):
    repository, outside = tmp_path / "repository", tmp_path / "outside"
    for folder in (repository, outside):
        folder.mkdir()
        (folder / "file.txt").write_text(f"text of {folder.name}")
    reads = script(
        {"use": {"tool": "Read", "input": {"file_path": str(repository / "file.txt")}}},
        {"use": {"tool": "Read", "input": {"file_path": str(outside / "file.txt")}}},
        {"use": {"tool": "Grep", "input": {"pattern": "text", "path": str(outside), "output_mode": "content"}}},
        {"report": GOOD_REPORT},
    )
    async with bench(tmp_path, reads) as b:
        ended = await b.run(b.plan(add_dirs=(repository,)))
    allowed, refused, searched, _ = ended.of(ToolResult)
    assert "text of repository" in allowed.text
    assert refused.is_error
    assert "text of outside" not in refused.text
    assert searched.is_error
    assert "text of outside" not in searched.text


async def test_a_tool_that_is_not_offered_does_not_run(tmp_path: Path):
    mark = tmp_path / "ran"
    tries = script(
        {"use": {"tool": "Bash", "input": {"command": f"touch {mark}"}}},
        {"use": {"tool": "Write", "input": {"file_path": str(mark), "content": "x"}}},
        {"use": {"tool": "Task", "input": {"description": "x", "prompt": "x", "subagent_type": "general-purpose"}}},
        {"report": GOOD_REPORT},
    )
    async with bench(tmp_path, tries) as b:
        ended = await b.run(b.plan())
    assert ended.verdict.status is SessionStatus.COMPLETED
    assert [r.is_error for r in ended.of(ToolResult)] == [True, True, True, False]
    assert not mark.exists()


async def test_a_report_of_a_session_without_its_tools_counts_for_nothing(tmp_path: Path):
    async with bench(tmp_path, script({"report": GOOD_REPORT}), offer_tools=False) as b:
        ended = await b.run(b.plan())
    assert ended.verdict.status is SessionStatus.FAILED, ended.verdict
    assert "tool server failed" in ended.verdict.message


async def test_eight_sessions_at_once_do_not_disturb_each_other(tmp_path: Path):
    async with bench(tmp_path, REPORTS) as b:
        ended: list[Ended] = await asyncio.gather(*(b.run(b.plan()) for _ in range(8)))
    assert [e.verdict.status for e in ended] == [SessionStatus.COMPLETED] * 8
