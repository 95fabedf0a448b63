"""One classifier: how a process ended, in our words, with what to do about it.

The CLI calls an API error `subtype: success`, and an interrupted run exits 0; so no single field decides. A finished
report is worth what it says, however the process went down afterwards.
"""

from typing import Any, cast

from pydantic import ValidationError

from claude.events import ApiRetry, Init, Result
from claude.gate import SERVER
from domain.base import Value
from domain.ports import EndReason, ExitState
from domain.session import Bound, Deferred, SessionStatus, TierReport, Usage

RETRY_AFTER_S = {429: 60.0, 529: 30.0}  # the CLI does not tell the server's own retry-after
_RETRY_AFTER_OTHER_S = 15.0
BUDGET_EXHAUSTED = "budget exhausted"  # how the gateway says it, in an answer with status 402
_NO_MONEY = "Budget exhausted: the session used up its money. Give its tier more with TIERCEL_TIER<n>_BUDGET_USD if that is too little."
_CREDENTIAL = "Renew ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN (`claude setup-token`) and restart the gateway."


class Verdict(Value):
    """What came of one process. `message` is one sentence for people and says what to do."""

    status: SessionStatus
    message: str
    bound: Bound = ""
    report: TierReport | None = None
    deferred: Deferred | None = None
    usage: Usage = Usage()
    retry_after_s: float | None = None


def classify(
    result: Result | None,
    ended: ExitState,
    init: Init | None = None,
    retry: ApiRetry | None = None,
    cost_before_usd: float = 0.0,
) -> Verdict:
    """Decide from the last result line, the process's end, the session's beginning and the last repeated request.

    `cost_before_usd`: what earlier processes of the session cost, used only where the CLI tells no figure of this one.
    """
    if result is None:
        return _without_result(ended, retry)
    verdict = _by_error(result) if result.is_error else _by_output(result)
    if verdict.status is SessionStatus.COMPLETED:
        verdict = _unless_blind(verdict, init)
    elif verdict.status not in {
        SessionStatus.DEFERRED,
        SessionStatus.LIMIT,
        SessionStatus.AUTH,
        SessionStatus.RETRY_LATER,
    }:
        verdict = _by_our_hand(ended) or verdict
    return verdict.model_copy(update={"usage": _usage(result, cost_before_usd)})


# What happened to it, and what to do about it.
_OURS: dict[EndReason, tuple[SessionStatus, Bound, str, str]] = {
    "fences": (
        SessionStatus.REFUSED,
        "fences",
        "The session was not started",
        "Until then no session is started for this incident; close it, or repair it by hand.",
    ),
    "timeout": (
        SessionStatus.LIMIT,
        "time",
        "The session used up its time",
        "Give its tier more with TIERCEL_TIER<n>_TIMEOUT_S if that is too little.",
    ),
    "oom": (
        SessionStatus.FAILED,
        "memory",
        "The session ran out of memory and was ended",
        "Give its tier more with TIERCEL_TIER<n>_MEMORY_MB if that is too little.",
    ),
    "pids": (
        SessionStatus.FAILED,
        "processes",
        "The session started more processes than it may and was ended",
        "Give its tier more with TIERCEL_TIER<n>_PIDS if that is too little.",
    ),
    "disk": (
        SessionStatus.FAILED,
        "disk",
        "The session filled its disk space and was ended",
        "Give its tier more with TIERCEL_TIER<n>_DISK_MB if that is too little; `tiercel doctor` shows what is free.",
    ),
    "flood": (SessionStatus.FAILED, "output", "The session said more than it may and was ended", ""),
    "silent": (
        SessionStatus.FAILED,
        "silence",
        "The session lived but said nothing for too long, so it was ended",
        "Its log shows what it did last.",
    ),
    "stopped": (SessionStatus.STOPPED, "", "The session was stopped", ""),
    "lost": (SessionStatus.FAILED, "", "The session was ended from outside; it can be resumed", ""),
    "lease": (
        SessionStatus.FAILED,
        "",
        "No worker claimed the session in time, so it was ended; it can be resumed",
        "",
    ),
}


def _by_our_hand(ended: ExitState) -> Verdict | None:
    """What we did to the process, or what became of it outside the CLI. One that lingered has done its work."""
    ours = _OURS.get(ended.reason)
    if ours is None:
        return None
    status, bound, what, remedy = ours
    numbers = f": {ended.detail}" if ended.detail else ""
    return Verdict(status=status, bound=bound, message=f"{what}{numbers}. {remedy}".strip())


def _without_result(ended: ExitState, retry: ApiRetry | None) -> Verdict:
    ours = _by_our_hand(ended)
    if ours is not None:
        return ours
    said = ended.stderr_tail.strip()[-600:]
    if "No conversation found" in said:
        return _failed("There is no transcript to resume; start a fresh session.")
    if "already in use" in said:
        return _failed("The session's id was used before; resume it, or start a session with another id.")
    how = "ended by a signal or lost" if ended.code is None or ended.code < 0 else f"exit code {ended.code}"
    tried = f" The last model request failed with {retry.status or 'no answer'}." if retry else ""
    words = f" It said: {said}" if said else " It said nothing; `tiercel doctor` checks the CLI."
    return _failed(f"The session ended without a result ({how}).{tried}{words}")


def _by_error(result: Result) -> Verdict:
    words = _words(result)
    if result.status is not None:
        return _by_status(result.status, words)
    reason = result.terminal_reason or result.subtype
    match result.subtype, reason:
        case "error_max_turns", _:
            return Verdict(
                status=SessionStatus.LIMIT, bound="turns", message=f"The session used up its turns. {words}".strip()
            )
        case "error_max_budget_usd", _:
            return Verdict(status=SessionStatus.LIMIT, bound="money", message=_NO_MONEY)
        case "error_max_structured_output_retries", _:
            return Verdict(
                status=SessionStatus.INVALID,
                message=f"The model gave no report that fits the schema in five attempts. {words}".strip(),
            )
        case _, "tool_deferred_unavailable":
            return _failed(
                "The parked action could not be taken up: the gateway's tool server did not answer. Check the gateway, then resume."
            )
        case _, "aborted_tools" | "aborted_streaming":
            return Verdict(status=SessionStatus.STOPPED, message="The session was interrupted.")
        case _:
            return _by_words(words)


def _by_status(status: int, words: str) -> Verdict:
    if status == 402 and f"gateway: {BUDGET_EXHAUSTED}" in words:
        return Verdict(status=SessionStatus.LIMIT, bound="money", message=_NO_MONEY)
    if status in {401, 402, 403, 407}:
        return Verdict(
            status=SessionStatus.AUTH,
            message=f"The model API refused the credential ({status}: {words}). {_CREDENTIAL}",
        )
    if status in {408, 429} or status >= 500:
        again = RETRY_AFTER_S.get(status, _RETRY_AFTER_OTHER_S)
        what = {429: "has reached its rate limit", 529: "is overloaded"}.get(status, "failed")
        return Verdict(
            status=SessionStatus.RETRY_LATER,
            message=f"The model API {what} ({status}); the session is resumed later. {words}".strip(),
            retry_after_s=again,
        )
    if status == 404:
        return _failed(
            f"The model API does not know this model or address (404: {words}). Check TIERCEL_TIER<n>_MODEL and TIERCEL_MODEL_URL."
        )
    return _failed(f"The model API refused the request ({status}: {words}).")


def _by_words(words: str) -> Verdict:
    """Errors that carry no HTTP status: no credential, no answer, or something new."""
    low = words.lower()
    if "not logged in" in low or "invalid api key" in low:
        return Verdict(status=SessionStatus.AUTH, message=f"The CLI has no credential ({words}). {_CREDENTIAL}")
    if "no conversation found" in low:
        return _failed("There is no transcript to resume; start a fresh session.")
    if any(
        sign in low
        for sign in ("timed out", "timeout", "connection", "unable to connect", "stream", "econn", "api error")
    ):
        return Verdict(
            status=SessionStatus.RETRY_LATER,
            message=f"The model API did not answer properly; the session is resumed later. {words}".strip(),
            retry_after_s=_RETRY_AFTER_OTHER_S,
        )
    return _failed(f"The session ended with an error. {words}".strip())


def _by_output(result: Result) -> Verdict:
    if result.terminal_reason == "tool_deferred" or result.deferred is not None:
        return _deferred(result)
    if result.terminal_reason not in {"", "completed"}:
        return _failed(f"The session ended early ({result.terminal_reason}). {_words(result)}".strip())
    if not result.has_output:
        return Verdict(
            status=SessionStatus.INVALID, message="The session ended without a report; its last words are in the log."
        )
    try:
        report = TierReport.model_validate(result.structured_output)
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the report"
        return Verdict(
            status=SessionStatus.INVALID, message=f"The report does not fit its schema: {where}: {first['msg']}."
        )
    return Verdict(status=SessionStatus.COMPLETED, message=report.summary, report=report)


def _deferred(result: Result) -> Verdict:
    call: dict[str, Any] = result.deferred or {}
    given = call.get("input")
    if not call.get("id") or not call.get("name"):
        return _failed("The session was parked, but did not say on which tool call.")
    deferred = Deferred(
        tool_use_id=str(call["id"]),
        tool=str(call["name"]),
        input=cast("dict[str, Any]", given) if isinstance(given, dict) else {},
    )
    return Verdict(status=SessionStatus.DEFERRED, message="The session waits for a person's answer.", deferred=deferred)


def _unless_blind(verdict: Verdict, init: Init | None) -> Verdict:
    """A report of a session that could not reach our tools is guesswork: it saw nothing and could ask for nothing."""
    status = init.servers.get(SERVER, "missing") if init else ""
    if status in {"", "connected", "pending"}:
        return verdict
    return _failed(
        f"The session ran without its tools (tool server {status}), so its report counts for nothing. Check the gateway."
    )


def _failed(message: str) -> Verdict:
    return Verdict(status=SessionStatus.FAILED, message=message)


def _words(result: Result) -> str:
    return (result.text or "; ".join(result.errors))[:600]


def _usage(result: Result, cost_before_usd: float) -> Usage:
    def count(name: str) -> int:
        value = result.usage.get(name)
        return value if isinstance(value, int) else 0

    own = result.process_cost_usd
    return Usage(
        input_tokens=count("input_tokens"),
        output_tokens=count("output_tokens"),
        cache_read_tokens=count("cache_read_input_tokens"),
        cache_write_tokens=count("cache_creation_input_tokens"),
        cost_usd=own if own is not None else max(result.cost_usd - cost_before_usd, 0.0),
    )
