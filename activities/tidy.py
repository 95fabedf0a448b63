"""What a model wrote, made fit to travel: bounded, without secrets, without characters that hide or cannot be sent.

A report passes through workflow histories. A secret in it would stay there for the whole retention, and a lone
surrogate would make the activity's result impossible to send, again and again. Invisible marks go first: later readers
drop them, and a secret that they had cut in two would then be whole.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from domain.session import Deferred, TierReport
from policy.text import printable, sendable

MAX_TEXT = 8000
MAX_ITEMS = 50
MAX_DEPTH = 8

Redact = Callable[[str], str]


def tidy_report(report: TierReport | None, redact: Redact) -> TierReport | None:
    """The report as people and later tiers may see it."""
    if report is None:
        return None
    tidied = cast("dict[str, object]", _tidy(report.model_dump(mode="python"), redact, MAX_DEPTH))
    tidied["summary"] = str(tidied["summary"])[:4000]
    return TierReport.model_validate(tidied)


def tidy_deferred(deferred: Deferred | None, redact: Redact) -> Deferred | None:
    """The parked call. Which one it is, its id tells; what it asks for is in the approval already."""
    if deferred is None:
        return None
    tool = sendable(deferred.tool)[:200]
    return Deferred(tool_use_id=sendable(deferred.tool_use_id), tool=tool, input=_object(deferred.input, redact))


def _object(value: Mapping[str, object], redact: Redact) -> dict[str, object]:
    return cast("dict[str, object]", _tidy(value, redact, MAX_DEPTH))


def _tidy(value: object, redact: Redact, depth: int) -> object:
    match value:
        case str():
            return _clean(value, redact)[:MAX_TEXT]
        case None | bool() | int() | float():
            return value
        case _ if depth == 0:
            return ""
        case Mapping():
            pairs = list(cast("Mapping[object, object]", value).items())[:MAX_ITEMS]
            return {_clean(str(k), redact)[:200]: _tidy(v, redact, depth - 1) for k, v in pairs}
        case Sequence():
            return [_tidy(item, redact, depth - 1) for item in cast("Sequence[object]", value)[:MAX_ITEMS]]
        case _:
            return _clean(str(value), redact)[:MAX_TEXT]


def _clean(text: str, redact: Redact) -> str:
    return redact(printable(sendable(text)))
