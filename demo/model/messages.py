"""The Messages API on the wire: what a request says, and an answer as JSON or as server-sent events."""

import json
import re
from collections.abc import Iterator
from typing import Any, cast

from demo.model.scenario import REPORT_TOOL, Conversation, Step, Turn
from domain.base import Value

TIER_MARKER = re.compile(r"^Tiercel tier: (\d)", re.MULTILINE)
_BYTES_PER_TOKEN = 4
_NO_STEP = "The script has no more to say here."
_SYNTHETIC = "No response requested."  # what the CLI writes in the model's place when it resumes an interrupted session
_INTERRUPTED = "[Tool call interrupted"  # the CLI's result of a call whose end it did not see
_ACT = "mcp__tiercel__act"

Json = dict[str, Any]


class Request(Value):
    """One POST /v1/messages, parsed."""

    model: str = ""
    stream: bool = False
    tools: tuple[str, ...] = ()
    conversation: Conversation
    size: int  # bytes


class Answer(Value):
    """Content blocks and their cost."""

    id: str
    model: str
    blocks: tuple[Json, ...]
    usage: dict[str, int]

    @property
    def stop_reason(self) -> str:
        return "tool_use" if any(b["type"] == "tool_use" for b in self.blocks) else "end_turn"


def read_request(body: bytes) -> Request:
    """Parse a request. Raises ValueError with the reason where it is none."""
    data = json.loads(body)
    if not isinstance(data, dict):
        raise TypeError("a request is a JSON object")
    fields = cast("Json", data)
    messages = _dicts(fields.get("messages"))
    if not messages:
        raise ValueError("messages: at least one message is required")
    system = "\n".join(
        [
            *_texts(fields.get("system")),
            *(t for m in messages if m.get("role") == "system" for t in _texts(m.get("content"))),
        ]
    )
    marker = TIER_MARKER.search(system)
    conversation = Conversation(
        tier=int(marker.group(1)) if marker else None, prompt=_prompt(messages), turns=_turns(messages)
    )
    return Request(
        model=str(fields.get("model", "")),
        stream=fields.get("stream") is True,
        tools=tuple(str(t.get("name", "")) for t in _dicts(fields.get("tools"))),
        conversation=conversation,
        size=len(body),
    )


def _prompt(messages: list[Json]) -> str:
    """What the user said before the first answer."""
    texts: list[str] = []
    for message in messages:
        if message.get("role") == "assistant":
            break
        if message.get("role") == "user":
            texts += _texts(message.get("content"))
    return "\n".join(texts)


def _turns(messages: list[Json]) -> tuple[Turn, ...]:
    """One entry per answer that was given, and one for the answer that is due.

    An answer whose looking was cut off counts as not given: it is repeated, as a careful model would. A cut-off `act`
    counts; its script decides.
    """
    turns: list[Turn] = []
    latest, looking = "", False
    for message in messages:
        content = _dicts(message.get("content"))
        if message.get("role") == "assistant":
            if _texts(message.get("content")) == [_SYNTHETIC]:
                continue
            turns.append(Turn(tool_result=latest))
            looking = not any(b.get("name") == _ACT for b in content)
            continue
        results = ["\n".join(_texts(b.get("content"))) for b in content if b.get("type") == "tool_result"]
        if results and turns and looking and any(r.startswith(_INTERRUPTED) for r in results):
            latest = turns.pop().tool_result
        elif results:
            latest = "\n".join(results)
    return (*turns, Turn(tool_result=latest))


def compose(step: Step | None, request: Request, answer_id: str) -> Answer:
    """The answer that a step describes. Ids derive from `answer_id`, usage from the sizes."""
    blocks: list[Json] = []
    if step is None or step.say:
        blocks.append({"type": "text", "text": step.say if step else _NO_STEP})
    if step:
        calls = [(use.name, use.input) for use in step.use]
        if step.report is not None:
            calls.append((REPORT_TOOL, step.report))
        blocks += [
            {"type": "tool_use", "id": f"toolu_{answer_id}{i}", "name": n, "input": v} for i, (n, v) in enumerate(calls)
        ]
    return Answer(id=f"msg_{answer_id}", model=request.model, blocks=tuple(blocks), usage=_usage(request, blocks))


def _usage(request: Request, blocks: list[Json]) -> dict[str, int]:
    """Later turns read most of the prompt from the cache, as with a real model."""
    whole = request.size // _BYTES_PER_TOKEN
    cached = int(whole * 0.8) if len(request.conversation.turns) > 1 else 0
    return {
        "input_tokens": max(1, (whole - cached) // 4),
        "cache_creation_input_tokens": (whole - cached) * 3 // 4,
        "cache_read_input_tokens": cached,
        "output_tokens": max(1, len(json.dumps(blocks)) // _BYTES_PER_TOKEN),
    }


def as_json(answer: Answer) -> Json:
    """The body of an answer that is not streamed."""
    return {
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": list(answer.blocks),
        "stop_reason": answer.stop_reason,
        "stop_sequence": None,
        "usage": answer.usage,
    }


def as_events(answer: Answer) -> Iterator[tuple[str, Json]]:
    """The events of a streamed answer, in order: (name, data)."""
    started: Json = {
        **as_json(answer),
        "content": [],
        "stop_reason": None,
        "usage": {**answer.usage, "output_tokens": 1},
    }
    yield "message_start", {"type": "message_start", "message": started}
    for index, block in enumerate(answer.blocks):
        empty: Json = {**block, "input": {}} if block["type"] == "tool_use" else {"type": "text", "text": ""}
        yield "content_block_start", {"type": "content_block_start", "index": index, "content_block": empty}
        for delta in _deltas(block):
            yield "content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta}
        yield "content_block_stop", {"type": "content_block_stop", "index": index}
    ended = {"stop_reason": answer.stop_reason, "stop_sequence": None}
    yield "message_delta", {"type": "message_delta", "delta": ended, "usage": answer.usage}
    yield "message_stop", {"type": "message_stop"}


def _deltas(block: Json) -> Iterator[Json]:
    if block["type"] == "tool_use":
        yield {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        return
    for word in re.findall(r"\S+\s*|\s+", block["text"]):
        yield {"type": "text_delta", "text": word}


def as_sse(name: str, data: Json) -> bytes:
    """One server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def as_error(kind: str, message: str) -> Json:
    """The body of an error answer."""
    return {"type": "error", "error": {"type": kind, "message": message}}


def _dicts(value: object) -> list[Json]:
    return (
        [cast("Json", v) for v in cast("list[object]", value) if isinstance(v, dict)] if isinstance(value, list) else []
    )


def _texts(value: object) -> list[str]:
    """The texts of a string or of a list of content blocks (tool results have texts of their own)."""
    if isinstance(value, str):
        return [value]
    return [str(b.get("text", "")) for b in _dicts(value) if b.get("type") == "text"]
