"""The gate: the settings that put a hook before `act`, the call that the hook sends, and its answer.

The CLI silently ignores settings of a wrong shape and then runs without the hook. So they are built from these models,
which forbid unknown fields, and never from a hand-written dict.
"""

import json
from typing import Any, Literal

from pydantic import AnyHttpUrl, Field

from domain.base import Declared, Value
from domain.looking import LOOKING_NAMES

SERVER = "tiercel"
ACT_TOOL = f"mcp__{SERVER}__act"
READ_TOOLS = tuple(f"mcp__{SERVER}__{name}" for name in LOOKING_NAMES)  # which of them there are, the gateway decides

GATE_TIMEOUT_S = 60  # deciding waits for a workflow; acting comes later, in the MCP call


class HttpHook(Declared):
    """One POST of the hook's input to `url`."""

    type: Literal["http"] = "http"
    url: AnyHttpUrl
    timeout: int = Field(default=GATE_TIMEOUT_S, gt=0, le=600)  # seconds


class HookMatcher(Declared):
    """The hooks of the tools whose name is `matcher`."""

    matcher: str = Field(min_length=1)
    hooks: tuple[HttpHook, ...] = Field(min_length=1)


class HookTable(Declared):
    """Hooks by event."""

    PreToolUse: tuple[HookMatcher, ...] = Field(min_length=1)  # the CLI's own spelling


class CliSettings(Declared):
    """The whole of `--settings`."""

    hooks: HookTable

    def as_json(self) -> str:
        """One line of JSON for the command line."""
        return json.dumps(self.model_dump(mode="json"))


def gate_settings(url: str) -> CliSettings:
    """The gate before `act`, and nothing else. Raises pydantic.ValidationError for a url that is none."""
    hook = HttpHook(url=AnyHttpUrl(url))
    return CliSettings(hooks=HookTable(PreToolUse=(HookMatcher(matcher=ACT_TOOL, hooks=(hook,)),)))


class GateCall(Value):
    """What the CLI posts to the gate before it runs a tool."""

    session_id: str
    hook_event_name: str
    tool_name: str
    tool_input: dict[str, Any] = {}
    tool_use_id: str
    permission_mode: str = ""


def gate_answer(decision: Literal["allow", "deny", "defer"], reason: str) -> dict[str, Any]:
    """The body of the gate's reply. `reason` is read by the model when the call is denied."""
    return {
        "hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": decision,
            "permissionDecisionReason": reason,
        }
    }
