"""The table of endings. That the real CLI ends like this is shown in test_cli_*.py."""

from typing import Any

import pytest

from claude.events import ApiRetry, Init, Result
from claude.result import classify
from domain.ports import EndReason, ExitState
from domain.session import SessionStatus as S

OK, ONE = ExitState(code=0), ExitState(code=1)
REPORT = {"summary": "fine", "services": [{"service": "local/web", "status": "up"}], "escalate": False}
INIT = Init(servers={"tiercel": "connected"})


def done(**changes: Any) -> Result:
    return Result.model_validate(
        {"subtype": "success", "terminal_reason": "completed", "has_output": True, "structured_output": REPORT}
        | changes
    )


def error(**changes: Any) -> Result:
    return Result.model_validate({"subtype": "success", "terminal_reason": "api_error", "is_error": True} | changes)


def ended(reason: EndReason, code: int | None = None) -> ExitState:
    return ExitState(code=code, reason=reason)


@pytest.mark.parametrize(
    ("result", "exit_state", "status", "word"),
    [
        (done(), OK, S.COMPLETED, "fine"),
        (done(), ended("timeout"), S.COMPLETED, "fine"),
        (done(), ended("stopped", 143), S.COMPLETED, "fine"),
        (done(), ended("lingered", 143), S.COMPLETED, "fine"),
        (done(has_output=False, structured_output=None), OK, S.INVALID, "without a report"),
        (done(structured_output={"summary": 5}), OK, S.INVALID, "summary"),
        (done(structured_output=None), OK, S.INVALID, "schema"),
        (done(terminal_reason="hook_stopped"), OK, S.FAILED, "hook_stopped"),
        (
            Result(
                subtype="success", terminal_reason="tool_deferred", deferred={"id": "t", "name": "n", "input": {"a": 1}}
            ),
            OK,
            S.DEFERRED,
            "person",
        ),
        (Result(subtype="success", terminal_reason="tool_deferred"), OK, S.FAILED, "parked"),
        (error(status=401), ONE, S.AUTH, "claude setup-token"),
        (error(status=403), ONE, S.AUTH, "403"),
        (error(status=429), ONE, S.RETRY_LATER, "rate limit"),
        (error(status=529), ONE, S.RETRY_LATER, "overloaded"),
        (error(status=503), ONE, S.RETRY_LATER, "503"),
        (error(status=404), ONE, S.FAILED, "TIERCEL_TIER"),
        (error(status=400, text="bad"), ONE, S.FAILED, "bad"),
        (error(text="Request timed out"), ONE, S.RETRY_LATER, "later"),
        (error(text="Not logged in · Please run /login"), ONE, S.AUTH, "credential"),
        (error(text="something new"), ONE, S.FAILED, "something new"),
        (error(subtype="error_max_turns", terminal_reason="max_turns"), ONE, S.LIMIT, "turns"),
        (error(subtype="error_max_budget_usd", terminal_reason="budget_exhausted"), ONE, S.LIMIT, "BUDGET_USD"),
        (error(subtype="error_max_structured_output_retries"), ONE, S.INVALID, "five attempts"),
        (
            error(subtype="error_during_execution", terminal_reason="tool_deferred_unavailable"),
            ONE,
            S.FAILED,
            "gateway",
        ),
        (error(subtype="error_during_execution", terminal_reason="aborted_tools"), OK, S.STOPPED, "interrupted"),
        (
            error(subtype="error_during_execution", terminal_reason="aborted_tools"),
            ended("timeout", 0),
            S.LIMIT,
            "TIMEOUT_S",
        ),
        (
            error(subtype="error_during_execution", errors=("No conversation found with session ID: x",)),
            ONE,
            S.FAILED,
            "fresh session",
        ),
        (None, OK, S.FAILED, "without a result"),
        (None, ONE, S.FAILED, "exit code 1"),
        (None, ExitState(code=-9), S.FAILED, "signal"),
        (None, ExitState(code=1, stderr_tail="Session ID x is already in use."), S.FAILED, "resume it"),
        (None, ended("timeout"), S.LIMIT, "TIMEOUT_S"),
        (None, ended("stopped", 143), S.STOPPED, "stopped"),
        (None, ended("oom", 137), S.FAILED, "MEMORY_MB"),
        (None, ended("pids", 2), S.FAILED, "_PIDS"),
        (None, ended("disk", 137), S.FAILED, "DISK_MB"),
        (None, ended("flood", 137), S.FAILED, "said more"),
        (None, ended("silent", 143), S.FAILED, "said nothing"),
        (None, ended("lost"), S.FAILED, "resumed"),
        (None, ended("lease"), S.FAILED, "resumed"),
        (None, ended("fences"), S.REFUSED, "not started"),
    ],
)
def test_each_ending_has_one_name_and_a_remedy(result: Result | None, exit_state: ExitState, status: S, word: str):
    verdict = classify(result, exit_state, INIT)
    assert verdict.status is status, verdict
    assert word in verdict.message
    assert (verdict.report is not None) == (status is S.COMPLETED)
    assert (verdict.deferred is not None) == (status is S.DEFERRED)
    assert (verdict.retry_after_s is not None) == (status is S.RETRY_LATER)


@pytest.mark.parametrize(
    ("servers", "status"), [({"tiercel": "failed"}, S.FAILED), ({}, S.FAILED), ({"tiercel": "pending"}, S.COMPLETED)]
)
def test_a_report_without_our_tools_counts_for_nothing(servers: dict[str, str], status: S):
    assert classify(done(), OK, Init(servers=servers)).status is status


def test_the_last_failed_request_is_told_when_nothing_else_is():
    assert "529" in classify(None, ONE, None, ApiRetry(status=529)).message


def test_money_is_that_of_this_process():
    usage = {"input_tokens": 10, "output_tokens": 2, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 3}
    told = classify(done(usage=usage, cost_usd=0.5, process_cost_usd=0.2), OK, INIT, cost_before_usd=0.4).usage
    assert (told.input_tokens, told.output_tokens, told.cache_read_tokens, told.cache_write_tokens, told.cost_usd) == (
        10,
        2,
        7,
        3,
        0.2,
    )
    assert classify(done(cost_usd=0.5), OK, INIT, cost_before_usd=0.4).usage.cost_usd == pytest.approx(0.1)
    assert classify(error(status=429, cost_usd=0.1), ONE).usage.cost_usd == 0.1
