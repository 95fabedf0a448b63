"""Validation errors in words that say what to write instead."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


class WrongValueError(ValueError):
    """A validator's own words. `secret`: the value itself must not stand in a message."""

    def __init__(self, message: str, fix: str, *, secret: bool = False) -> None:
        super().__init__(message)
        self.fix, self.secret = fix, secret


def words_for(error: Mapping[str, Any]) -> str:
    """What is wrong."""
    kind = str(error["type"])
    context: Mapping[str, Any] = error.get("ctx") or {}
    given = shorten(error.get("input"))
    if kind == "extra_forbidden":
        return "there is no such field"
    if kind == "missing":
        return "it is missing"
    if kind == "union_tag_invalid":
        return f"'{context.get('tag', '')}' is no kind of probe"
    if kind == "union_tag_not_found":
        return "a probe needs a 'kind'"
    told = context.get("error")
    if isinstance(told, WrongValueError) and told.secret:
        return str(told)
    if kind == "model_type":
        return f"{given} cannot be used: fields are expected here"
    if kind == "string_pattern_mismatch":
        return f"{given} has characters that are not allowed here"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{given} cannot be used: {message[:1].lower()}{message[1:]}"


def fix_for(error: Mapping[str, Any], known: Iterable[str]) -> str:
    """What to write."""
    kind = str(error["type"])
    context: Mapping[str, Any] = error.get("ctx") or {}
    name = str(error["loc"][-1]) if error["loc"] else ""
    told = context.get("error")
    if isinstance(told, WrongValueError):
        return told.fix
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(name, list(known), n=1)
        return f"did you mean '{near[0]}'?" if near else "remove it"
    if kind == "missing":
        return f"add '{name}'"
    if kind == "union_tag_invalid":
        return f"use one of {context.get('expected_tags', '')}"
    if kind == "union_tag_not_found":
        return "add 'kind: http' (or tcp, dns, tls, container, unit, postgres, redis, command)"
    if kind == "model_type":
        return "write a field a line, each as 'name: value'"
    if kind in {"enum", "literal_error"}:
        return f"use {context.get('expected', '')}"
    if kind == "string_pattern_mismatch":
        return "use letters, digits, '.', '_' and '-', beginning with a letter or digit"
    if kind.endswith(("_type", "_parsing")):
        return f"write a {kind.split('_', 1)[0]}"
    return "correct the value"


def shorten(value: Any, limit: int = 60) -> str:
    """A value as it may stand in a message: one line, quoted, short."""
    text = repr(value) if isinstance(value, str | int | float | bool | None) else f"a {type(value).__name__}"
    return text if len(text) <= limit else text[: limit - 2] + "…'"
