"""Turns what a model wrote into an ActionRequest, strictly, and carries it to the escalation within bounds."""

import json
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError, field_validator

from domain.action import ActionKind, ActionRequest
from domain.base import Declared
from domain.ids import SessionId

MAX_PARAMS = 2_000  # bytes of JSON
MAX_TOOL_USE_ID = 200
TOO_MANY_WISHES = "this session has asked for too many actions; report what you know and escalate"

Target = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=200)]
Reason = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=1_000)]


class ActArguments(Declared):
    """The arguments of `act`, as the tool's schema promises them. Anything else is an error that names itself."""

    kind: ActionKind
    target: Target
    params: dict[str, Any] = Field(default={})
    reason: Reason

    @field_validator("target")
    @classmethod
    def _plain(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("the target holds characters that cannot be printed")
        return value

    @field_validator("reason")
    @classmethod
    def _readable(cls, value: str) -> str:
        # People read it on pages and in messages; control characters would let it pretend to be something else.
        return "".join(c if c.isprintable() else " " for c in value)

    @field_validator("params")
    @classmethod
    def _small(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            # A lone surrogate or NaN has no form on the wire to the engine; it must fail here, in words.
            size = len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
        except (ValueError, RecursionError) as e:
            raise ValueError("params hold something that JSON cannot carry") from e
        if size > MAX_PARAMS:
            raise ValueError(f"params may have {MAX_PARAMS} bytes of JSON")
        return value


def action_request(
    session: SessionId, tool_use_id: object, arguments: object, redact: Callable[[str], str]
) -> ActionRequest | str:
    """The request, or one sentence that says what is wrong with it."""
    if not isinstance(tool_use_id, str) or not 0 < len(tool_use_id) <= MAX_TOOL_USE_ID or not tool_use_id.isprintable():
        return "the call carries no tool-use id, so it cannot be told from a repetition"
    try:
        asked = ActArguments.model_validate(arguments)
    except ValidationError as e:
        return "invalid arguments: " + "; ".join(_problem(dict(p)) for p in e.errors()[:5])
    params = json.dumps(asked.params, ensure_ascii=False)
    if redact(params) != params:
        return "invalid arguments: params: they hold a secret, which no action may carry"
    return ActionRequest(
        session=session,
        tool_use_id=tool_use_id,
        kind=asked.kind,
        target=asked.target,
        params=asked.params,
        reason=redact(asked.reason),  # it goes into histories, pages, messages and exports
    )


def _problem(error: dict[str, Any]) -> str:
    where = ".".join(str(part)[:40] for part in error.get("loc", ())) or "arguments"
    return f"{where}: {str(error.get('msg', ''))[:200]}"
