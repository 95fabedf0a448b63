"""The gate before `act`, with the real CLI: it fails closed whatever happens, and it can park a session on a person."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from claude.argv import command
from claude.events import ToolResult
from claude.gate import gate_answer
from demo.model import Scenario
from domain.session import SessionStatus
from tests.support.claude_cli import GOOD_REPORT, Bench, GateReply, bench, decide

pytestmark = pytest.mark.cli

ACT: dict[str, Any] = {"tool": "act", "input": {"kind": "restart", "target": "local/web", "reason": "hung"}}
ACTS = Scenario.model_validate(
    {
        "rules": [
            {
                "name": "only",
                "steps": [
                    {"use": ACT},
                    {"choose": [{"when": "(?P<answer>.*)"}]},
                    {"report": {**GOOD_REPORT, "summary": "{{answer}}"}},
                ],
            }
        ]
    }
)


async def _hang(http: web.Request, _: dict[str, Any]) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


async def _cut(http: web.Request, _: dict[str, Any]) -> web.StreamResponse:
    if http.transport:
        http.transport.close()
    return web.Response()


def says(**answer: Any) -> GateReply:
    async def reply(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        return web.Response(**answer)

    return reply


def answers(body: dict[str, Any]) -> GateReply:
    async def reply(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(body)

    return reply


FAILURES: dict[str, GateReply] = {
    "500": says(status=500, text="broken"),
    "403": says(status=403, text="forbidden"),
    "empty": says(status=200),
    "no json": says(status=200, text="allow", content_type="application/json"),
    "cut": _cut,
    "hangs": _hang,
    "redirect": says(status=307, headers={"Location": "/nowhere"}),
    "unknown decision": answers({"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "yes"}}),
    "other event": answers({"hookSpecificOutput": {"hookEventName": "PostToolUse", "permissionDecision": "allow"}}),
    "ask": answers({"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "ask"}}),
    "stop": answers({"continue": False, "stopReason": "stop"}),
    "only words": answers({"systemMessage": "allowed"}),
}


async def _with_settings(b: Bench, change: tuple[str, str]) -> Any:
    """Run with the gate's settings changed on the command line."""
    plan = b.plan()
    built = command(plan)
    argv = tuple(part.replace(*change) for part in built.argv)
    assert argv != built.argv
    return await b.run(built.model_copy(update={"argv": argv}))


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_gate_that_fails_is_a_refusal(tmp_path: Path, failure: str):
    async with bench(tmp_path, ACTS, gate=FAILURES[failure]) as b:
        ended = await _with_settings(b, ('"timeout": 60', '"timeout": 1'))
        assert len(b.door.gate_calls) >= 1, "the gate was never asked, so this shows nothing"
    assert b.door.tool_calls == []
    assert [r.is_error for r in ended.of(ToolResult)][:1] in ([True], [])
    assert ended.verdict.status in {SessionStatus.COMPLETED, SessionStatus.FAILED}


async def test_an_allow_rule_would_open_the_same_gate(tmp_path: Path):
    """Why `act` has no allow rule: with one, a broken gate lets everything through."""
    async with bench(tmp_path, ACTS, gate=FAILURES["500"]) as b:
        await _with_settings(b, ("mcp__tiercel__services,", "mcp__tiercel__services,mcp__tiercel__act,"))
    assert len(b.door.tool_calls) == 1


@pytest.mark.parametrize(
    "change",
    [
        ('/gate"', ':1/gate"'),  # an address at which nobody answers
        ('"type": "http"', '"type": "htttp"'),  # settings that the CLI ignores
        ('"PreToolUse"', '"PreToolUsed"'),
        ("mcp__tiercel__act", "mcp__tiercel__other"),
    ],
)
async def test_a_gate_that_is_not_there_is_a_refusal(tmp_path: Path, change: tuple[str, str]):
    async with bench(tmp_path, ACTS) as b:
        ended = await _with_settings(b, change)
    assert b.door.gate_calls == []
    assert b.door.tool_calls == []
    assert ended.of(ToolResult)[0].is_error


async def test_the_gate_sees_the_call_that_is_made_and_allows_exactly_it(tmp_path: Path):
    async with bench(tmp_path, ACTS) as b:
        plan = b.plan()
        ended = await b.run(plan)
    (asked,), (made,) = b.door.gate_calls, b.door.tool_calls
    assert (asked["session_id"], asked["tool_name"], asked["tool_input"]) == (
        plan.session,
        "mcp__tiercel__act",
        ACT["input"],
    )
    assert made["_meta"]["claudecode/toolUseId"] == asked["tool_use_id"]
    assert ended.verdict.message == "act was done"


async def test_a_denial_reaches_the_model_with_its_reason(tmp_path: Path):
    async with bench(tmp_path, ACTS, gate=decide("deny", "2 of 2 restarts are used until 18:00")) as b:
        ended = await b.run(b.plan())
    assert b.door.tool_calls == []
    assert "until 18:00" in ended.of(ToolResult)[0].text
    assert ended.verdict.status is SessionStatus.COMPLETED


async def test_looking_needs_no_gate(tmp_path: Path):
    looks = Scenario.model_validate(
        {
            "rules": [
                {
                    "name": "a",
                    "steps": [
                        {"use": [{"tool": "services"}, {"tool": "probe"}, {"tool": "logs"}]},
                        {"report": GOOD_REPORT},
                    ],
                }
            ]
        }
    )
    async with bench(tmp_path, looks, gate=FAILURES["500"]) as b:
        ended = await b.run(b.plan())
    assert b.door.gate_calls == []
    assert {c["name"] for c in b.door.tool_calls} == {"services", "probe", "logs"}
    assert ended.verdict.status is SessionStatus.COMPLETED


async def test_a_parked_call_runs_once_and_unchanged_when_it_is_allowed_later(tmp_path: Path):
    async with bench(tmp_path, ACTS, gate=decide("defer")) as b:
        plan = b.plan()
        parked = await b.run(plan)
        assert parked.exit.code == 0
        assert parked.verdict.status is SessionStatus.DEFERRED, parked.verdict
        assert parked.verdict.deferred
        assert (parked.verdict.deferred.tool, parked.verdict.deferred.input) == ("mcp__tiercel__act", ACT["input"])
        assert b.door.tool_calls == []
        again = await b.run(plan.model_copy(update={"resume": "deferred", "attempt": 2}))
        assert again.verdict.status is SessionStatus.DEFERRED
        assert len(b.model.requests) == 1, "a parked session asks no model"
        b.door.gate = decide("allow")
        resumed = await b.run(plan.model_copy(update={"resume": "deferred", "attempt": 3}))
    assert [c["_meta"]["claudecode/toolUseId"] for c in b.door.tool_calls] == [parked.verdict.deferred.tool_use_id]
    assert resumed.verdict.status is SessionStatus.COMPLETED, resumed.verdict
    assert resumed.verdict.message == "act was done"


async def test_a_parked_call_that_is_denied_later_never_runs_and_the_model_is_told(tmp_path: Path):
    async with bench(tmp_path, ACTS, gate=decide("defer")) as b:
        plan = b.plan()
        await b.run(plan)
        b.door.gate = decide("deny", "alice says: not before the backup")
        resumed = await b.run(plan.model_copy(update={"resume": "deferred", "attempt": 2}))
    assert b.door.tool_calls == []
    assert resumed.verdict.status is SessionStatus.COMPLETED, resumed.verdict
    assert "not before the backup" in b.model.requests[-1].tool_result


async def test_a_parked_call_without_its_tool_server_says_so_and_can_still_be_resumed(tmp_path: Path):
    async with bench(tmp_path, ACTS, gate=decide("defer")) as b:
        plan = b.plan()
        await b.run(plan)
        b.door.gate, b.door.offer_tools = decide("allow"), False
        blind = await b.run(plan.model_copy(update={"resume": "deferred", "attempt": 2}))
        b.door.offer_tools = True
        resumed = await b.run(plan.model_copy(update={"resume": "deferred", "attempt": 3}))
    assert blind.verdict.status is SessionStatus.FAILED, blind.verdict
    assert "tool server did not answer" in blind.verdict.message
    assert len(b.door.tool_calls) == 1
    assert resumed.verdict.status is SessionStatus.COMPLETED, resumed.verdict


async def test_of_two_parked_calls_only_the_last_survives(tmp_path: Path):
    second = {"tool": "act", "input": {"kind": "start", "target": "local/db", "reason": "stopped"}}
    both = Scenario.model_validate(
        {"rules": [{"name": "a", "steps": [{"use": [ACT, second]}, {"report": GOOD_REPORT}]}]}
    )
    async with bench(tmp_path, both, gate=decide("defer")) as b:
        plan = b.plan()
        parked = await b.run(plan)
        b.door.gate = decide("allow")
        await b.run(plan.model_copy(update={"resume": "deferred", "attempt": 2}))
    assert parked.verdict.deferred
    assert parked.verdict.deferred.input["target"] == "local/db"
    assert [c["arguments"]["target"] for c in b.door.tool_calls] == ["local/db"]


def test_the_answer_has_the_form_of_the_hook():
    assert gate_answer("defer", "why")["hookSpecificOutput"]["permissionDecision"] == "defer"
