"""What one line of a session's output says: its kind, who says it, and the text. And which lines a reader wants.

What a session wrote is hostile: nothing here is markup.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from domain.session import OutputLine
from web import ansi

# kind -> how the filter names it
KINDS = {
    "say": "what Claude says",
    "think": "thinking",
    "tool": "tool calls",
    "result": "answers of tools",
    "error": "errors and refusals",
    "note": "notes",
    "end": "end",
    "raw": "other",
}


@dataclass(frozen=True)
class LogFilter:
    """Which lines of a log: of one kind, and with a text in them (in any case). Empty lets every line through."""

    find: str = ""
    kind: str = ""

    def __bool__(self) -> bool:
        return bool(self.find or self.kind)

    def lets(self, line: OutputLine) -> bool:
        """Whether this line is wanted. What a page shows is searched: colours and control characters are not text."""
        kind, label, text = words(line)
        if self.kind and kind != self.kind:
            return False
        return not self.find or self.find.casefold() in f"{label}\n{ansi.clean(text)}".casefold()


def words(line: OutputLine) -> tuple[str, str, str]:
    """(kind, label, text) of a line: the CLI's JSON in words, anything else as it is."""
    if line.stream == "note":
        return "note", "Tiercel", line.text
    if line.stream == "err":
        return "error", "stderr", line.text
    event = _json(line.text)
    if event is None:
        return "raw", "", line.text
    return _event(event) or ("raw", str(event.get("type", "")), _compact(event))


def _json(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) and isinstance(value.get("type"), str) else None


def _event(event: dict[str, Any]) -> tuple[str, str, str] | None:
    match event["type"]:
        case "system":
            return _system(event)
        case "assistant" | "user":
            return _message(event)
        case "result":
            return _result(event)
        case _:
            return None


def _system(event: dict[str, Any]) -> tuple[str, str, str]:
    subtype = str(event.get("subtype", ""))
    if subtype == "init":
        tools = event.get("tools")
        count = len(cast("list[object]", tools)) if isinstance(tools, list) else 0
        return "note", "start", f"model {event.get('model', '?')}, {count} tools"
    rest = {k: v for k, v in event.items() if k not in {"type", "subtype", "session_id", "uuid"}}
    return "note", subtype or "system", _compact(rest)


def _message(event: dict[str, Any]) -> tuple[str, str, str] | None:
    message = event.get("message")
    content = cast("dict[str, Any]", message).get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return ("say", "Claude", content) if event["type"] == "assistant" else ("note", "prompt", content)
    if not isinstance(content, list):
        return None
    blocks = [_block(cast("dict[str, Any]", b)) for b in cast("list[Any]", content) if isinstance(b, dict)]
    if not blocks:
        return None
    kind, label, _ = blocks[0]
    return kind, label, "\n".join(text if (k, n) == (kind, label) else f"[{n}] {text}" for k, n, text in blocks)


def _block(block: dict[str, Any]) -> tuple[str, str, str]:
    match block.get("type"):
        case "text":
            return "say", "Claude", str(block.get("text", ""))
        case "thinking":
            return "think", "thinking", str(block.get("thinking", ""))
        case "tool_use":
            return "tool", _tool_name(str(block.get("name", "tool"))), _arguments(block.get("input"))
        case "tool_result":
            kind = "error" if block.get("is_error") else "result"
            return kind, "refused or failed" if kind == "error" else "answer", _result_text(block.get("content"))
        case other:
            return "raw", str(other), _compact(block)


def _tool_name(name: str) -> str:
    return name.removeprefix("mcp__").replace("__", " ")


def _arguments(value: object) -> str:
    if not isinstance(value, dict):
        return _compact(value)
    items = cast("dict[str, object]", value)
    if len(items) == 1:
        only = next(iter(items.values()))
        return only if isinstance(only, str) else _compact(items)
    return "\n".join(f"{k}: {v if isinstance(v, str) else _compact(v)}" for k, v in items.items())


def _result_text(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(_texts(cast("list[object]", content)))
    return _compact(content)


def _texts(blocks: Iterable[object]) -> Iterable[str]:
    for block in blocks:
        text = cast("dict[str, object]", block).get("text") if isinstance(block, dict) else None
        yield text if isinstance(text, str) else _compact(cast("object", block))


def _result(event: dict[str, Any]) -> tuple[str, str, str]:
    ok = event.get("subtype") == "success" and not event.get("is_error")
    turns, cost = event.get("num_turns", "?"), event.get("total_cost_usd")
    head = f"ended: {event.get('subtype', '?')}, {turns} turns" + (
        f", ${cost:.4f}" if isinstance(cost, float | int) else ""
    )
    report = event.get("structured_output")
    summary = cast("dict[str, Any]", report).get("summary") if isinstance(report, dict) else event.get("result")
    return ("end" if ok else "error"), "end", f"{head}\n{summary}" if isinstance(summary, str) and summary else head


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "), default=str)
