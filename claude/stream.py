"""The CLI's output: bytes to whole lines, lines to events. A line may be of any length and may arrive in any pieces."""

import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from claude.events import (
    ApiRetry,
    AssistantText,
    Event,
    Garbage,
    Init,
    ModelFallback,
    PermissionDenied,
    Result,
    Thinking,
    ToolResult,
    ToolUse,
    Unknown,
)

Json = Mapping[str, Any]


class LineSplitter:
    """Cuts bytes into lines and keeps the last, unfinished one for the next bytes."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` completes, without their ends. Bytes that are no UTF-8 are replaced."""
        *whole, rest = data.split(b"\n")
        if whole:
            whole[0] = b"".join([*self._pieces, whole[0]])
            self._pieces = []
        if rest:
            self._pieces.append(rest)
        return [_text(line) for line in whole]

    def rest(self) -> str:
        """The unfinished line, at the end of a stream."""
        return _text(b"".join(self._pieces))


class StreamReader:
    """Reads a whole stream and remembers what the classifier needs of it."""

    def __init__(self) -> None:
        self.init: Init | None = None
        self.result: Result | None = None
        self.last_retry: ApiRetry | None = None

    def read(self, line: str) -> tuple[Event, ...]:
        """The events of one line. The last result counts: a run may print several."""
        events = parse(line)
        for event in events:
            match event:
                case Init():
                    self.init = event
                case Result():
                    self.result = event
                case ApiRetry():
                    self.last_retry = event
                case _:
                    pass
        return events


def parse(line: str) -> tuple[Event, ...]:
    """The events of one line: one per content block of a message. A blank line has none."""
    if not line.strip():
        return ()
    try:
        data: object = json.loads(line)
    except (ValueError, RecursionError):
        return (Garbage(raw=line),)
    if not isinstance(data, dict):
        return (Garbage(raw=line),)
    fields = cast("dict[str, Any]", data)
    kind, subtype = str(fields.get("type", "")), str(fields.get("subtype", ""))
    reader = _READERS.get(f"{kind}/{subtype}") or _READERS.get(kind)
    try:
        events = reader(fields) if reader else ()
    except (TypeError, ValueError):  # a known kind in a new shape: keep it, do not fall over it
        events = ()
    return events or (Unknown(kind=f"{kind}/{subtype}" if subtype else kind, raw=line),)


def _init(d: Json) -> tuple[Event, ...]:
    servers = {_str(s, "name"): _str(s, "status") for s in _dicts(d.get("mcp_servers"))}
    return (
        Init(
            session_id=_str(d, "session_id"),
            model=_str(d, "model"),
            tools=tuple(str(t) for t in _list(d.get("tools"))),
            plugins=tuple(_str(p, "name") for p in _dicts(d.get("plugins"))),
            servers=servers,
            server_errors=tuple(_plain(e) for e in _list(d.get("mcp_server_errors"))),
            permission_mode=_str(d, "permissionMode"),
            version=_str(d, "claude_code_version"),
            key_source=_str(d, "apiKeySource"),
        ),
    )


def _assistant(d: Json) -> tuple[Event, ...]:
    message = _dict(d.get("message"))
    events: list[Event] = []
    for block in _dicts(message.get("content")):
        match block.get("type"):
            case "text":
                events.append(
                    AssistantText(text=_str(block, "text"), message_id=_str(message, "id"), error=_str(d, "error"))
                )
            case "tool_use":
                events.append(
                    ToolUse(id=_str(block, "id"), name=_str(block, "name"), input=dict(_dict(block.get("input"))))
                )
            case "thinking":
                events.append(Thinking(text=_str(block, "thinking")))
            case _:
                pass
    return tuple(events)


def _user(d: Json) -> tuple[Event, ...]:
    decisions = {
        _str(m, "id"): _str(_dict(m.get("permission_decision")), "decision") for m in _dicts(d.get("tool_result_meta"))
    }
    return tuple(
        ToolResult(
            tool_use_id=_str(block, "tool_use_id"),
            text=_plain(block.get("content")),
            is_error=block.get("is_error") is True,
            decision=decisions.get(_str(block, "tool_use_id"), ""),
        )
        for block in _dicts(_dict(d.get("message")).get("content"))
        if block.get("type") == "tool_result"
    )


def _retry(d: Json) -> tuple[Event, ...]:
    return (
        ApiRetry(
            attempt=int(_number(d, "attempt")),
            max_retries=int(_number(d, "max_retries")),
            delay_ms=_number(d, "retry_delay_ms"),
            status=_status(d.get("error_status")),
            error=_plain(d.get("error")),
        ),
    )


def _denied(d: Json) -> tuple[Event, ...]:
    reason = _str(d, "message") or _str(d, "decision_reason")
    return (PermissionDenied(tool=_str(d, "tool_name"), tool_use_id=_str(d, "tool_use_id"), reason=reason),)


def _fallback(d: Json) -> tuple[Event, ...]:
    return (
        ModelFallback(
            original=_str(d, "original_model"), fallback=_str(d, "fallback_model"), trigger=_str(d, "trigger")
        ),
    )


def _result(d: Json) -> tuple[Event, ...]:
    per_model = list(_dict(d.get("model_usage_since_last_result")).values())
    own_cost = [_number(m, "costUSD") for m in _dicts(per_model)]
    deferred = d.get("deferred_tool_use")
    return (
        Result(
            subtype=_str(d, "subtype"),
            is_error=d.get("is_error") is True,
            status=_status(d.get("api_error_status")),
            terminal_reason=_str(d, "terminal_reason"),
            text=_plain(d.get("result")),
            errors=tuple(_plain(e) for e in _list(d.get("errors"))),
            turns=int(_number(d, "num_turns")),
            duration_ms=_number(d, "duration_ms"),
            has_output="structured_output" in d,
            structured_output=d.get("structured_output"),
            deferred=cast("dict[str, Any]", deferred) if isinstance(deferred, dict) else None,
            denials=tuple(_str(p, "tool_name") for p in _dicts(d.get("permission_denials"))),
            usage=dict(_dict(d.get("usage"))),
            cost_usd=_number(d, "total_cost_usd"),
            process_cost_usd=sum(own_cost) if own_cost else None,
        ),
    )


_READERS: dict[str, Callable[[Json], tuple[Event, ...]]] = {
    "system/init": _init,
    "system/api_retry": _retry,
    "system/permission_denied": _denied,
    "system/model_fallback": _fallback,
    "assistant": _assistant,
    "user": _user,
    "result": _result,
}


def _text(data: bytes) -> str:
    return data.removesuffix(b"\r").decode("utf-8", errors="replace")


def _dict(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _dicts(value: object) -> list[dict[str, Any]]:
    return [cast("dict[str, Any]", v) for v in _list(value) if isinstance(v, dict)]


def _str(d: Json, key: str) -> str:
    value = d.get(key)
    return value if isinstance(value, str) else ""


def _number(d: Json, key: str) -> float:
    value = d.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _status(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _plain(value: object) -> str:
    """Text of a field that is a string, a list of text blocks, or something else (then its JSON)."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    blocks = _dicts(value)
    if blocks:
        return "\n".join(_str(b, "text") or f"[{_str(b, 'type') or 'block'}]" for b in blocks)
    return json.dumps(value, ensure_ascii=False)
