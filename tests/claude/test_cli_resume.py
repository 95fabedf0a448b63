"""A real session that is killed in the middle, and what its resume knows."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from claude.argv import SessionPlan, transcript_glob
from demo.model import Scenario
from domain.session import SessionStatus
from tests.support.claude_cli import GOOD_REPORT, Bench, Ended, bench

pytestmark = pytest.mark.cli

ACT: dict[str, Any] = {"tool": "act", "input": {"kind": "restart", "target": "local/web", "reason": "hung"}}
SCENARIO = Scenario.model_validate(
    {
        "rules": [
            {
                "name": "a",
                "steps": [
                    {"say": "I act.", "use": ACT},
                    {"choose": [{"when": "(?P<told>.*)"}]},
                    {"report": {**GOOD_REPORT, "summary": "{{told}}"}},
                ],
            }
        ]
    }
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


async def _killed(b: Bench, plan: SessionPlan, gate: Stuck, number: signal.Signals) -> Ended:
    """Killed while it waits for the gate, with everything before that in its transcript."""
    process = await b.start(plan)
    await asyncio.wait_for(gate.asked.wait(), 20)
    async with asyncio.timeout(10):
        while not any("tool_use" in path.read_text() for path in transcripts(plan)):
            await asyncio.sleep(0.02)
    process.send_signal(number)
    return await b.finish(process)


def transcripts(plan: SessionPlan) -> list[Path]:
    return list(plan.claude_config.glob(transcript_glob(plan.session)))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
async def test_a_killed_session_leaves_no_result_and_goes_on_by_resume(
    tmp_path: Path, number: signal.Signals, code: int
):
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
    assert "outcome is unknown" in last.tool_result
    assert last.prompt == "look at local/web"
    assert last.turn == 1, "the script goes on where it was"


async def test_a_session_killed_in_its_first_moments_is_resumed_or_begun_again_by_its_transcript(tmp_path: Path):
    slow = Scenario.model_validate({"rules": [{"name": "a", "steps": [{"delay_s": 1.0, "report": GOOD_REPORT}]}]})
    async with bench(tmp_path, slow) as b:
        for wait_s in (0.0, 0.2, 0.4, 0.6):
            plan = b.plan()
            process = await b.start(plan)
            await asyncio.sleep(wait_s)
            process.kill()
            dead = await b.finish(process)
            assert dead.result is None
            resume = "interrupted" if transcripts(plan) else ""
            again = await b.run(plan.model_copy(update={"resume": resume, "attempt": 2}))
            assert again.verdict.status is SessionStatus.COMPLETED, (wait_s, resume, again.verdict)


async def test_looking_that_was_cut_off_is_repeated(tmp_path: Path):
    looks = Scenario.model_validate(
        {
            "rules": [
                {
                    "name": "a",
                    "steps": [
                        {"use": {"tool": "logs"}},
                        {"choose": [{"when": "(?P<told>.*)"}]},
                        {"report": {**GOOD_REPORT, "summary": "{{told}}"}},
                    ],
                }
            ]
        }
    )
    stuck = asyncio.Event()
    async with bench(tmp_path, looks) as b:
        plan = b.plan()
        b.door.before_tool = stuck.wait
        process = await b.start(plan)
        async with asyncio.timeout(20):
            while not (b.door.tool_calls and any("tool_use" in p.read_text() for p in transcripts(plan))):
                await asyncio.sleep(0.02)
        process.kill()
        await b.finish(process)
        b.door.before_tool = None
        stuck.set()
        resumed = await b.run(plan.model_copy(update={"resume": "interrupted", "attempt": 2, "prompt": NOTE}))
    assert resumed.verdict.message == "logs was done", resumed.verdict
    assert len(b.door.tool_calls) == 2


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
