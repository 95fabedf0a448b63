"""The real CLI through a real door: model, tools, gate, approval, credentials."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from claude.argv import command
from config.clock import SystemClock
from demo.model import Scenario, serve
from domain.health import HttpProbe
from domain.inventory import Inventory
from domain.looking import Need
from domain.session import SessionStatus
from gateway.credential import Credential
from gateway.looking.sight import Sight
from policy.redaction import redactor
from tests.support import claude_cli, gateway
from tests.support.claude_cli import GOOD_REPORT, TIER_1, TIER_2, Bench
from tests.support.gateway import Room, answer

ACT: dict[str, Any] = {
    "tool": "mcp__tiercel__act",
    "input": {"kind": "restart", "target": "local/web", "reason": "it does not answer"},
}


def scenario(*steps: dict[str, Any]) -> Scenario:
    return Scenario.model_validate({"rules": [{"name": "all", "steps": [*steps, {"report": GOOD_REPORT}]}]})


@asynccontextmanager
async def session_bench(
    folder: Path, script: Scenario, credential: Credential = gateway.API_KEY, **changes: Any
) -> AsyncGenerator[tuple[Room, Bench]]:
    model = await serve(script)
    async with gateway.room(folder / "home", model.url, credential, **changes) as room:
        yield room, Bench(folder, model, claude_cli.Door(model_url=model.url))
    await model.close()


async def test_a_session_looks_acts_and_reports_through_its_door_alone(tmp_path: Path):
    script = scenario(
        {"use": {"tool": "mcp__tiercel__services", "input": {}}},
        {"use": {"tool": "mcp__tiercel__logs", "input": {"service": "shop"}}},
        {"use": ACT},
    )
    async with session_bench(tmp_path, script) as (room, bench):
        plan = bench.plan(tier=TIER_2)
        bench.door.url = gateway.relay(await room.open(tier=2, session=plan.session))
        ended = await bench.run(plan)
        await room.written()

    assert ended.verdict.status == SessionStatus.COMPLETED, ended.verdict
    assert [r.kind for r in room.broker.acted] == ["restart"]
    assert room.broker.acted[0].tool_use_id == room.broker.considered[0].tool_use_id
    assert "local/web" in "".join(ended.lines)
    assert [c.status for c in room.records.calls] == [200] * len(bench.model.requests)
    assert ended.result is not None
    assert sum(c.output_tokens for c in room.records.calls) == ended.result.usage["output_tokens"]
    assert sum(c.input_tokens for c in room.records.calls) == ended.result.usage["input_tokens"]
    assert {c.session for c in room.records.calls} == {plan.session}


async def test_a_session_looks_with_what_its_tier_has_and_is_told_what_it_has_not(tmp_path: Path):
    script = scenario(
        {"use": {"tool": "mcp__tiercel__disk_usage", "input": {}}},
        {"use": {"tool": "mcp__tiercel__http_get", "input": {"url": "http://169.254.169.254/latest/meta-data/"}}},
        {"use": {"tool": "mcp__tiercel__processes", "input": {}}},
    )
    sight = Sight(clock=SystemClock(), redact=redactor())
    async with session_bench(tmp_path, script, sight=sight, present=lambda: frozenset(Need)) as (room, bench):
        probe = HttpProbe(url="https://shop.example/health")
        room.records.inventory = Inventory(services=(gateway.WEB.model_copy(update={"probes": (probe,)}),))
        plan = bench.plan(tier=TIER_1)
        door = await room.open(tier=1, session=plan.session)
        bench.door.url = gateway.relay(door)
        ended = await bench.run(plan)
        await room.keeper.close(door.session)
        await room.written()
    sight.addresses.close()
    assert ended.verdict.status == SessionStatus.COMPLETED, ended.verdict
    told = "".join(ended.lines)
    assert "inodes used" in told
    assert "no web address of a declared probe" in told
    looked = [(a, d["tool"]) for a, _, d in room.records.audits.values() if a.startswith("look")]
    assert looked[:2] == [("looked", "disk_usage"), ("look_failed", "http_get")]
    assert ("looked", "processes") not in looked, "from tier 2 on"


async def test_a_refused_action_is_told_and_the_session_goes_on(tmp_path: Path):
    async with session_bench(tmp_path, scenario({"use": ACT})) as (room, bench):
        room.broker.to_consider = answer("deny", "refused: 2 of 2 restarts used; next slot at noon")
        plan = bench.plan(tier=TIER_2)
        bench.door.url = gateway.relay(await room.open(tier=2, session=plan.session))
        ended = await bench.run(plan)
    assert ended.verdict.status == SessionStatus.COMPLETED
    assert room.broker.acted == []
    assert "next slot at noon" in bench.model.requests[-1].tool_result


@pytest.mark.parametrize("decision", ["allow", "deny"])
async def test_a_deferred_action_parks_the_session_and_resumes_with_the_answer(tmp_path: Path, decision: str):
    async with session_bench(tmp_path, scenario({"use": ACT})) as (room, bench):
        room.broker.to_consider = answer("defer", "a person was asked", "waiting")
        plan = bench.plan(tier=TIER_2)
        bench.door.url = gateway.relay(await room.open(tier=2, session=plan.session))
        parked = await bench.run(plan)
        assert parked.verdict.status == SessionStatus.DEFERRED
        assert room.broker.acted == []

        await room.keeper.close(plan.session)  # days may pass
        room.broker.to_consider = answer(decision, "no, it is Friday")
        bench.door.url = gateway.relay(await room.open(tier=2, session=plan.session, attempt=2))
        resumed = await bench.run(plan.model_copy(update={"resume": "deferred", "prompt": "", "attempt": 2}))

    assert resumed.verdict.status == SessionStatus.COMPLETED, resumed.verdict
    assert len({r.tool_use_id for r in room.broker.considered}) == 1
    assert len(room.broker.acted) == (1 if decision == "allow" else 0)
    told = bench.model.requests[-1].tool_result
    assert ("done: restarted" if decision == "allow" else "no, it is Friday") in told


async def test_a_gate_that_dies_while_it_is_asked_lets_nothing_through(tmp_path: Path):
    async with session_bench(tmp_path, scenario({"use": ACT})) as (room, bench):
        room.broker.takes_s = 60
        plan = bench.plan(tier=TIER_2)
        door = await room.open(tier=2, session=plan.session)
        bench.door.url = gateway.relay(door)
        running = await bench.start(plan)
        async with asyncio.timeout(20):
            while not room.broker.considered:
                await asyncio.sleep(0.02)
        await room.keeper.stop()  # all connections break, as when the process is killed
        await room.keeper.reopen()
        ended = await bench.finish(running)
    assert room.broker.acted == []
    assert ended.verdict.status == SessionStatus.COMPLETED, ended.verdict


@pytest.mark.parametrize(("kind", "credential"), [("api_key", gateway.API_KEY), ("oauth", gateway.OAUTH)])
async def test_neither_kind_of_credential_enters_the_session(tmp_path: Path, kind: str, credential: Credential):
    secret = credential.secret.get_secret_value()
    async with session_bench(tmp_path, scenario({"use": ACT}), credential) as (room, bench):
        plan = bench.plan(tier=TIER_2, credential_kind=kind)
        built = command(plan)
        assert secret not in built.model_dump_json()
        door = await room.open(tier=2, session=plan.session)
        bench.door.url = gateway.relay(door)
        running = await bench.start(plan)
        process = Path(f"/proc/{running.pid}")
        async with asyncio.timeout(10):
            while b"ANTHROPIC_BASE_URL" not in (environment := (process / "environ").read_bytes()):
                await asyncio.sleep(0.005)  # the kernel shows nothing until the program is in place
        seen = environment + (process / "cmdline").read_bytes()
        ended = await bench.finish(running)
        await room.written()
        header = {"api_key": "x-api-key", "oauth": "authorization"}[kind]
        assert {r.credential_header for r in bench.model.requests} == {header}
    assert ended.verdict.status == SessionStatus.COMPLETED, ended.verdict
    assert b"placeholder" in seen
    assert secret.encode() not in seen
    for folder, _, names in os.walk(tmp_path):
        for name in names:
            path = Path(folder, name)
            if path.is_file():
                assert secret.encode() not in path.read_bytes(), path
    assert secret not in "".join(ended.lines)
    assert secret not in str(room.records.audits)


async def test_a_session_with_the_wrong_kind_of_placeholder_ends_at_once_with_words(tmp_path: Path):
    async with session_bench(tmp_path, scenario(), gateway.OAUTH) as (room, bench):
        plan = bench.plan(tier=TIER_1, credential_kind="api_key")
        bench.door.url = gateway.relay(await room.open(tier=1, session=plan.session))
        ended = await bench.run(plan)
    assert ended.verdict.status == SessionStatus.AUTH
    assert len(bench.model.requests) == 0
    assert "placeholder of kind api_key" in "".join(ended.lines)
