"""What a session may ask of the Messages API: its tier's model, and nothing that the API would do elsewhere for it.

The API can fetch pages, call servers and run code by itself. Through the gateway that would be a way out of the
sandbox.
"""

import json
from typing import Any, cast

from domain.base import Value

_ELSEWHERE = ("mcp_servers", "container")  # the API would call these servers, or use the owner's containers
# Tools that the session itself carries out. Every other type is carried out by the API.
_OWN_TOOLS = ("custom", "bash_", "text_editor_", "computer_", "memory_", "tool_search_tool_")
MOST_TOKENS = 10_000_000  # more than any model writes
_OWN_SOURCES = frozenset({"base64", "text", "content"})


class Wanted(Value):
    """What the gateway reads of a request's body. `refusal` says why it may not be sent on."""

    model: str = ""
    stream: bool = False
    max_tokens: int = 0  # 0: none, or nonsense
    refusal: str = ""


def read(body: bytes) -> Wanted:
    """Read the body as the API will: what two readers could understand in two ways is refused."""
    try:
        parsed: Any = json.loads(body.decode("utf-8"), object_pairs_hook=_unambiguous)
    except (ValueError, RecursionError) as e:
        return Wanted(refusal=str(e) if isinstance(e, _AmbiguousError) else "the body is not JSON in UTF-8")
    fields = _object(parsed)
    model = fields.get("model")
    most = fields.get("max_tokens")
    wanted = Wanted(
        model=model if isinstance(model, str) else "",
        stream=fields.get("stream") is True,
        max_tokens=most if type(most) is int and 0 < most <= MOST_TOKENS else 0,
    )
    try:
        refusal = _refusal(fields)
    except RecursionError:
        refusal = "the body is nested too deeply"
    return wanted.model_copy(update={"refusal": refusal})


class _AmbiguousError(ValueError):
    pass


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _AmbiguousError("the body holds a field twice")
    return found


def _refusal(fields: dict[str, Any]) -> str:
    for name in fields:
        if name != "model" and name.casefold() == "model":
            return "the body holds a second model"
    for name in _ELSEWHERE:
        if fields.get(name):
            return f"a session may not use {name}"
    for tool in _list(fields.get("tools")):
        kind = _object(tool).get("type")
        if kind is not None and not str(kind).startswith(_OWN_TOOLS):
            return f"a session may not use tools of type {str(kind)[:60]}: the API would carry them out elsewhere"
    for message in _list(fields.get("messages")):
        for block in _list(_object(message).get("content")):
            if _leads_elsewhere(block):
                return "a session may send files itself, but not name them by address or id"
    return ""


def _leads_elsewhere(block: object) -> bool:
    """Whether the API would get this block's content from elsewhere, at any depth of results and documents."""
    fields = _object(block)
    if fields.get("type") == "tool_use":
        return False  # its input is the model's own text, whatever it looks like
    source = _object(fields.get("source"))
    if fields.get("type") in {"image", "document"} and source.get("type") not in _OWN_SOURCES:
        return True
    inner = [*_list(fields.get("content")), *_list(source.get("content"))]
    return any(_leads_elsewhere(part) for part in inner)


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
