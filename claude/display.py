"""Events as short lines for people who watch a session."""

import json
from typing import Any

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
from claude.gate import SERVER
from claude.prompt import plain
from claude.stream import parse

WIDTH = 240  # characters of one shown line
RESULT_LINES = 6  # shown lines of one tool result

_LOOKED_AT = 4 * WIDTH  # of a line: what could become visible there
REPORT_TOOL = "StructuredOutput"


def display(source: Event | str) -> list[str]:
    """Lines for a person: of one event, or of all events of one raw line.

    Terminal controls and marks that nobody sees are removed: they turn words around, and hide a secret from redaction.
    """
    events = parse(source) if isinstance(source, str) else (source,)
    return [_short(line) for event in events for line in _lines(event)]


def _lines(event: Event) -> list[str]:
    match event:
        case Init():
            return [f"● session began: {event.model}, Claude Code {event.version}", *_broken_servers(event)]
        case AssistantText():
            return [f"! {line}" if event.error else line for line in event.text.splitlines() if line.strip()]
        case Thinking():
            return [f"… {line}" for line in event.text.splitlines() if line.strip()][:RESULT_LINES]
        case ToolUse():
            return [_call(event.name, event.input)]
        case ToolResult():
            return _result_lines(event)
        case ApiRetry():
            what = str(event.status or "no answer")
            return [
                f"! model request failed ({what}), attempt {event.attempt} of {event.max_retries}, next in {event.delay_ms / 1000:.1f} s"
            ]
        case PermissionDenied():
            return [f"✗ {_tool(event.tool)} refused: {event.reason}"]
        case ModelFallback():
            return [f"! {event.fallback} answers instead of {event.original} ({event.trigger})"]
        case Result():
            return _end(event)
        case Garbage():
            return [event.raw]
        case Unknown():
            return []


def _broken_servers(event: Init) -> list[str]:
    bad = [
        f"! tool server {name}: {status}"
        for name, status in event.servers.items()
        if status not in {"connected", "pending"}
    ]
    return bad + [f"! {error}" for error in event.server_errors]


def _tool(name: str) -> str:
    return name.removeprefix(f"mcp__{SERVER}__")


def _call(name: str, given: dict[str, Any]) -> str:
    if name == REPORT_TOOL:
        return f"→ report: {given.get('summary', '')}"
    words = [_word(v) for k, v in given.items() if v not in ("", None, {}, []) and k != "reason"]
    reason = f"  ({given['reason']})" if given.get("reason") else ""
    return " ".join(["→", _tool(name), *words]) + reason


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _result_lines(event: ToolResult) -> list[str]:
    mark = "✗" if event.is_error else "←"
    lines = [line for line in event.text.splitlines() if line.strip()] or ["(empty)"]
    more = [f"  … {len(lines) - RESULT_LINES} more lines"] if len(lines) > RESULT_LINES else []
    return [f"{mark if i == 0 else ' '} {line}" for i, line in enumerate(lines[:RESULT_LINES])] + more


def _end(event: Result) -> list[str]:
    if event.terminal_reason == "tool_deferred":
        return ["● parked: waits for a person's answer"]
    if event.is_error:
        return [f"● ended with an error: {event.text or '; '.join(event.errors) or event.subtype}"]
    return [f"● session ended: {event.turns} turns, {event.duration_ms / 1000:.1f} s"]


def _short(line: str) -> str:
    begun = line[:_LOOKED_AT]
    clean = begun if begun.isascii() and begun.isprintable() else plain(begun)
    if len(clean) <= WIDTH and len(begun) == len(line):
        return clean
    return clean[: WIDTH - 1] + "…"
