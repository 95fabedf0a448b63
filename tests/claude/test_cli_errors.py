"""How the real CLI ends when the model API misbehaves, and what we call it. All cases run side by side."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from claude.events import ApiRetry
from demo.model import Scenario
from domain.session import SessionStatus
from tests.support.claude_cli import GOOD_REPORT, Ended, bench

pytestmark = pytest.mark.cli

AUTH, LATER, FAILED, DONE = SessionStatus.AUTH, SessionStatus.RETRY_LATER, SessionStatus.FAILED, SessionStatus.COMPLETED
QUICK = {"CLAUDE_CODE_MAX_RETRIES": "1", "API_TIMEOUT_MS": "3000", "CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS": "10000"}

# name -> (failure, status, a word of the message)
CASES: dict[str, tuple[dict[str, Any], SessionStatus, str]] = {
    "unauthorised": ({"status": 401, "error_type": "authentication_error"}, AUTH, "claude setup-token"),
    "forbidden": ({"status": 403, "error_type": "permission_error"}, AUTH, "403"),
    "rate limit": ({"status": 429, "error_type": "rate_limit_error"}, LATER, "rate limit"),
    "long rate limit": ({"status": 429, "error_type": "rate_limit_error", "retry_after": "3600"}, LATER, "429"),
    "overloaded": ({"status": 529, "error_type": "overloaded_error"}, LATER, "overloaded"),
    "server error": ({"status": 500}, LATER, "500"),
    "bad gateway": ({"status": 502}, LATER, "502"),
    "bad request": ({"status": 400, "error_type": "invalid_request_error"}, FAILED, "400"),
    "no such model": ({"status": 404, "error_type": "not_found_error", "message": "model: x"}, FAILED, "TIERCEL_TIER"),
    "garbage": ({"kind": "garbage"}, LATER, "resumed later"),
    "cut": ({"kind": "cut"}, LATER, "resumed later"),
    "error event": (
        {"kind": "error_event", "error_type": "overloaded_error", "message": "Overloaded"},
        LATER,
        "resumed later",
    ),
    "no answer": ({"kind": "stall_before_headers", "stall_s": 30}, LATER, "resumed later"),
    "silence": ({"kind": "stall_after_headers", "stall_s": 60}, LATER, "resumed later"),
    "one rate limit": ({"status": 429, "error_type": "rate_limit_error", "retry_after": "1", "times": 1}, DONE, "done"),
    "one cut": ({"kind": "cut", "times": 1}, DONE, "done"),
    "one overload": ({"status": 529, "error_type": "overloaded_error", "times": 1}, DONE, "done"),
}
SCENARIO = Scenario.model_validate(
    {
        "rules": [
            {"name": name, "match": [f"case: {name}$"], "steps": [{"fail": failure, "report": GOOD_REPORT}]}
            for name, (failure, _, _) in CASES.items()
        ]
    }
)


async def test_every_failure_of_the_model_api_has_its_name_and_its_remedy(tmp_path: Path, subtests: pytest.Subtests):
    side_by_side = asyncio.Semaphore(5)
    async with bench(tmp_path, SCENARIO) as b:

        async def run(name: str) -> Ended:
            async with side_by_side:
                env = QUICK | (
                    {"CLAUDE_CODE_MAX_RETRIES": "0"} if name == "silence" else {}
                )  # its shortest limit is 10 s
                return await b.run(b.plan(prompt=f"case: {name}"), env=env)

        slowest_first = sorted(CASES, key=lambda name: name != "silence")
        ended = dict(zip(slowest_first, await asyncio.gather(*(run(name) for name in slowest_first)), strict=True))
    for name, (_, status, word) in CASES.items():
        with subtests.test(name):
            verdict = ended[name].verdict
            assert verdict.status is status, (verdict, ended[name].result)
            assert word in verdict.message, verdict
            assert (verdict.retry_after_s is not None) == (status is LATER)
    with subtests.test("a short wait is told"):
        retries: list[ApiRetry] = ended["one rate limit"].of(ApiRetry)
        assert [(r.status, r.attempt) for r in retries] == [(429, 1)]


async def test_nobody_at_the_door_is_tried_again_later(tmp_path: Path):
    async with bench(tmp_path, SCENARIO) as b:
        await b.model.close()
        ended = await b.run(b.plan(prompt="case: cut"), env=QUICK)
    assert ended.verdict.status is LATER, ended.verdict


async def test_a_second_start_with_the_same_id_is_refused_and_says_what_to_do(tmp_path: Path):
    async with bench(tmp_path, SCENARIO) as b:
        plan = b.plan(prompt="case: one cut")
        await b.run(plan)
        second = await b.run(plan)
    assert second.verdict.status is FAILED
    assert "resume it" in second.verdict.message


async def test_a_resume_without_a_transcript_asks_for_a_fresh_start(tmp_path: Path):
    async with bench(tmp_path, SCENARIO) as b:
        ended = await b.run(b.plan(prompt="go on", resume="interrupted"))
    assert ended.verdict.status is FAILED
    assert "fresh session" in ended.verdict.message
