"""The real CLI through a real door: model, tools, gate."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from claude.result import Verdict
from demo.model import Scenario, serve
from domain.session import SessionStatus
from gateway.credential import Credential
from tests.support import claude_cli, gateway
from tests.support.claude_cli import GOOD_REPORT, TIER_2, Bench
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
        door = claude_cli.Door(model_url=model.url)
        yield room, Bench(folder, model, door)
    await model.close()


async def test_a_session_looks_acts_and_reports_through_its_door_alone(tmp_path: Path):
    script = scenario(
        {"use": {"tool": "mcp__tiercel__services", "input": {}}},
        {"use": {"tool": "mcp__tiercel__logs", "input": {"service": "shop"}}},
        {"use": ACT},
    )
    async with session_bench(tmp_path, script) as (room, bench):
        plan = bench.plan(tier=TIER_2)
        door = await room.open(tier=2, session=plan.session)
        bench.door.url = gateway.relay(door)
        ended = await bench.run(plan)
        await room.written()

    assert ended.verdict.status == SessionStatus.COMPLETED, ended.verdict
    assert [r.kind for r in room.broker.acted] == ["restart"]
    assert room.broker.acted[0].tool_use_id == room.broker.considered[0].tool_use_id
    assert "local/web" in "".join(ended.lines)
    assert [c.status for c in room.records.calls] == [200] * len(bench.model.requests)
    assert ended.result is not None
    assert sum(c.output_tokens for c in room.records.calls) == ended.result.usage["output_tokens"]
