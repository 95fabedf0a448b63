"""A real session that is killed in the middle, and what its resume knows."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from demo.model import Scenario
from domain.session import SessionStatus
from tests.support.claude_cli import GOOD_REPORT, Bench, bench

pytestmark = pytest.mark.cli

ACT: dict[str, Any] = {"tool": "act", "input": {"kind": "restart", "target": "local/web", "reason": "hung"}}
SCENARIO = Scenario.model_validate(
    {"rules": [{"name": "a", "steps": [{"say": "I act.", "use": ACT}, {"choose": [{"when": "(?P<told>.*)"}]}, {"report": {**GOOD_REPORT, "summary": "{{told}}"}}]}]}
)
NOTE = "Your process was interrupted. Verify the state first."


class Stuck:
    """A gate that allows after it was told to, so that the kill comes at a known point."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def __call__(self, _: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        self.asked.set()
        await asyncio.sleep(30)
        return web.Response()


async def _killed(b: Bench, plan: Any, gate: Stuck, number: signal.Signals) -> Any:
    process = await b.start(plan)
    await asyncio.wait_for(gate.asked.wait(), 20)
    process.send_signal(number)
    return await b.finish(process)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
async def test_a_killed_session_leaves_no_result_and_goes_on_by_resume(tmp_path: Path, number: signal.Signals, code: int):
    gate = Stuck()
    async with bench(tmp_path, SCENARIO, gate=gate) as b:
        plan = b.plan()
        dead = await _killed(b, plan, gate, number)
        resumed = await b.run(plan.model_copy(update={"resume": "interrupted", "attempt": 2, "prompt": NOTE}))
        last = b.model.requests[-1]
    assert dead.exit.code == code
    assert dead.result is None
    assert dead.verdict.status is SessionStatus.FAILED
    assert b.door.tool_calls == []
    assert resumed.verdict.status is SessionStatus.COMPLETED, resumed.verdict
    assert last.tool_result, "the model is told of the call that was cut off"
    assert last.prompt == "look at local/web"


async def test_a_resumed_session_keeps_its_id_and_counts_its_own_money(tmp_path: Path):
    gate = Stuck()
    async with bench(tmp_path, SCENARIO, gate=gate) as b:
        plan = b.plan()
        dead = await _killed(b, plan, gate, signal.SIGTERM)
        resumed = await b.run(plan.model_copy(update={"resume": "interrupted", "attempt": 2, "prompt": NOTE}))
    assert dead.init
    assert resumed.init
    assert dead.init.session_id == resumed.init.session_id == plan.session
    assert resumed.result
    assert resumed.result.process_cost_usd is not None
    assert 0 < resumed.verdict.usage.cost_usd <= resumed.result.cost_usd
