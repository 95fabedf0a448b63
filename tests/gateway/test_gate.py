"""The gate fails closed: whatever happens, the answer is 200 with a decision."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from claude.gate import READ_TOOLS
from domain.agent import Granted
from domain.errors import EngineUnavailableError
from domain.ports import Door
from gateway.session import MAX_WISHES
from tests.support import gateway
from tests.support.gateway import answer

ACT: dict[str, Any] = {
    "session_id": "s",
    "hook_event_name": "PreToolUse",
    "tool_name": "mcp__tiercel__act",
    "tool_input": {"kind": "restart", "target": "local/web", "reason": "hung"},
    "tool_use_id": "toolu_1",
}


async def ask(door: Door, call: Any) -> tuple[str, str]:
    async with gateway.through(door) as client:
        body = call if isinstance(call, bytes) else json.dumps(call).encode()
        async with client.post("/gate", data=io.BytesIO(body)) as reply:
            assert reply.status == 200
            said = (await reply.json())["hookSpecificOutput"]
            assert said["hookEventName"] == "PreToolUse"
            return said["permissionDecision"], said["permissionDecisionReason"]


@pytest.mark.parametrize("decision", ["allow", "deny", "defer"])
async def test_it_says_what_the_escalation_says(tmp_path: Path, decision: str):
    async with gateway.room(tmp_path) as room:
        room.broker.to_consider = answer(decision, "because")
        door = await room.open(tier=2)
        assert await ask(door, ACT) == (decision, "because")
    asked = room.broker.considered[0]
    assert (asked.session, asked.tool_use_id, asked.kind, asked.target) == (
        door.session,
        "toolu_1",
        "restart",
        "local/web",
    )


@pytest.mark.parametrize(
    ("tool", "why"), [("mcp__tiercel__act", "act"), ("Read", "Read"), ("Bash", "not offered here")]
)
async def test_what_is_withheld_from_a_session_is_refused_with_the_reason(tmp_path: Path, tool: str, why: str):
    """Also where the CLI was got to offer it: the door knows by itself."""
    granted = Granted(tools=("Grep", "probe"), withheld={"act": "act: only people", "Read": "Read: not this one"})
    async with gateway.room(tmp_path) as room:
        room.broker.to_consider = answer("allow", "because")
        decision, reason = await ask(await room.open(tier=3, granted=granted), {**ACT, "tool_name": tool})
        await room.written()
    assert (decision, why in reason) == ("deny", True)
    assert room.broker.considered == []
    entries = {action: (target, detail) for action, target, detail in room.records.audits.values()}
    assert entries["tool.denied"][0] == tool
    assert entries["tool.denied"][1]["reason"] == reason
    assert entries["session.tools"][1]["withheld"] == granted.withheld


@pytest.mark.parametrize("word", ["ALLOW", "", "yes", "ask"])
async def test_an_unknown_word_of_the_escalation_is_a_denial(tmp_path: Path, word: str):
    async with gateway.room(tmp_path) as room:
        room.broker.to_consider = answer(word, "because")
        assert (await ask(await room.open(), ACT))[0] == "deny"


@pytest.mark.parametrize("fault", [EngineUnavailableError("away"), RuntimeError("bug"), KeyError("x")])
async def test_a_fault_is_a_denial(tmp_path: Path, fault: Exception):
    async with gateway.room(tmp_path) as room:
        room.broker.to_consider = fault
        decision, reason = await ask(await room.open(), ACT)
    assert decision == "deny"
    assert "ask again" in reason


async def test_an_escalation_that_does_not_answer_in_time_is_a_denial(tmp_path: Path):
    async with gateway.room(tmp_path, gate_bound_s=0.2) as room:
        room.broker.takes_s = 30
        assert (await ask(await room.open(), ACT))[0] == "deny"


@pytest.mark.parametrize("tool", [*READ_TOOLS, "StructuredOutput"])
async def test_looking_is_allowed_without_asking(tmp_path: Path, tool: str):
    async with gateway.room(tmp_path) as room:
        assert (await ask(await room.open(tier=1), {**ACT, "tool_name": tool}))[0] == "allow"
    assert room.broker.considered == []


@pytest.mark.parametrize("tool", ["Read", "Grep", "Glob"])
async def test_where_files_may_be_read_is_left_to_the_cli(tmp_path: Path, tool: str):
    call = {**ACT, "tool_name": tool}
    async with (
        gateway.room(tmp_path) as room,
        gateway.through(await room.open(tier=1)) as client,
        client.post("/gate", json=call) as reply,
    ):
        assert (reply.status, await reply.json()) == (200, {})


@pytest.mark.parametrize(
    "tool", ["Bash", "Write", "Task", "mcp__evil__act", "mcp__tiercel__act2", "mcp__tiercel__ACT", ""]
)
async def test_every_other_tool_is_denied_and_written_down(tmp_path: Path, tool: str):
    async with gateway.room(tmp_path) as room:
        assert (await ask(await room.open(tier=3), {**ACT, "tool_name": tool}))[0] == "deny"
        await room.written()
    assert [a for a, _, _ in room.records.audits.values()] == ["tool.denied"]
    assert room.broker.considered == []


async def test_tier_1_never_acts(tmp_path: Path):
    async with gateway.room(tmp_path) as room:
        assert (await ask(await room.open(tier=1), ACT))[0] == "deny"
    assert room.broker.considered == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"tool_name": 3}', b" " * (2 << 20)])
async def test_nonsense_is_denied(tmp_path: Path, body: bytes):
    async with gateway.room(tmp_path) as room:
        assert (await ask(await room.open(), body))[0] == "deny"


@pytest.mark.parametrize(
    "arguments",
    [
        {"kind": "rm", "target": "local/web", "reason": "r"},
        {"kind": "restart", "target": "local/web", "reason": ""},
        {"kind": "restart", "target": "", "reason": "r"},
        {"kind": "restart", "target": "local/web\x00", "reason": "r"},
        {"kind": "restart", "target": "local/web\u202e", "reason": "r"},
        {"kind": "restart", "target": "x" * 201, "reason": "r"},
        {"kind": "restart", "target": ["local/web"], "reason": "r"},
        {"kind": "restart", "target": "local/web", "reason": "r", "risk": "low"},
        {"kind": "restart", "target": "local/web", "reason": "r", "params": {"a": "b" * 3000}},
        {"kind": "restart", "target": "local/web", "reason": "r", "params": []},
        {},
    ],
)
async def test_arguments_that_the_schema_does_not_promise_are_denied(tmp_path: Path, arguments: dict[str, Any]):
    async with gateway.room(tmp_path) as room:
        decision, reason = await ask(await room.open(), {**ACT, "tool_input": arguments})
    assert decision == "deny"
    assert reason.startswith("invalid arguments")
    assert len(reason) < 1500
    assert room.broker.considered == []


async def test_control_characters_of_a_reason_reach_nobody(tmp_path: Path):
    async with gateway.room(tmp_path) as room:
        await ask(await room.open(), {**ACT, "tool_input": {**ACT["tool_input"], "reason": "a\x1b[31m\n\u202eb"}})
    assert room.broker.considered[0].reason == "a [31m  b"


@pytest.mark.parametrize("params", [{"a": "\ud800"}, {"\ud800": 1}, {"a": float("nan")}])
async def test_what_cannot_be_sent_to_the_engine_is_refused_in_words(tmp_path: Path, params: dict[str, Any]):
    async with gateway.room(tmp_path) as room:
        decision, reason = await ask(
            await room.open(tier=2), {**ACT, "tool_input": {**ACT["tool_input"], "params": params}}
        )
        assert (decision, room.broker.considered) == ("deny", [])
        assert "params" in reason


async def test_a_session_that_never_stops_asking_is_cut_off_and_a_repeated_call_is_not(tmp_path: Path):
    async with gateway.room(tmp_path) as room:
        room.broker.to_consider = answer("allow", "go on")
        door = await room.open(tier=2)
        calls = [ACT | {"tool_use_id": f"toolu_{n}"} for n in range(MAX_WISHES + 1)]
        assert {(await ask(door, call))[0] for call in calls[:-1]} == {"allow"}
        assert (await ask(door, calls[-1]))[0] == "deny"
        assert (await ask(door, calls[0]))[0] == "allow"
    assert len(room.broker.considered) == MAX_WISHES + 1
