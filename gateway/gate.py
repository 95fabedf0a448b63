"""The PreToolUse hook of a session: allow, deny or defer. Whatever goes wrong here is a denial.

A hook that fails leaves the decision to the CLI, so this one answers 200 with a decision even to nonsense.
"""

import asyncio
import json
from typing import Any, Literal

import structlog
from aiohttp import web
from pydantic import ValidationError

from claude.gate import ACT_TOOL, READ_TOOLS, GateCall, gate_answer
from gateway.asking import TOO_MANY_WISHES, action_request
from gateway.session import MAX_JSON_BODY, SESSION, Session, bounded_body
from policy.access import may_act, may_read

log = structlog.get_logger("gateway.gate")

# StructuredOutput is how the CLI lets the model hand in its report.
HARMLESS = frozenset({*READ_TOOLS, "StructuredOutput"})
TRY_AGAIN = "The gate could not decide now; nothing was done. Go on with looking and ask again in a minute."

Decision = Literal["", "allow", "deny", "defer"]


async def gate(request: web.Request) -> web.Response:
    """POST /gate."""
    session = request.config_dict[SESSION]
    try:
        decision, reason = await asyncio.wait_for(_decide(session, request), session.behind.gate_bound_s)
    except TimeoutError:
        log.warning("gate timed out", session=session.door.session)
        decision, reason = "deny", TRY_AGAIN
    except Exception:
        log.exception("gate failed", session=session.door.session)
        decision, reason = "deny", TRY_AGAIN
    return web.json_response(gate_answer(decision, reason) if decision else {})


async def _decide(session: Session, request: web.Request) -> tuple[Decision, str]:
    body = await bounded_body(request, MAX_JSON_BODY)
    if body is None:
        return "deny", "the call is too large"
    try:
        parsed: Any = json.loads(body)
        call = GateCall.model_validate(parsed)
    except (ValueError, ValidationError):
        return "deny", "the gate does not understand this call"
    if call.tool_name in HARMLESS:
        return "allow", "read-only"
    door = session.door
    acts = call.tool_name == ACT_TOOL
    access = may_act(door.tier, door.granted) if acts else may_read(call.tool_name, door.granted)
    if not access.allowed:
        return _deny(session, call, access.reason)
    if not acts:  # the CLI knows in which folders they may read; a word from here would let them read everywhere
        return "", ""
    asked = action_request(session.door.session, call.tool_use_id, call.tool_input, session.behind.redact)
    if isinstance(asked, str):
        return _deny(session, call, asked)
    if not session.may_wish(asked.tool_use_id):
        return _deny(session, call, TOO_MANY_WISHES)
    answer = await session.behind.broker.consider(session.door.workflow_id, asked)
    match answer.decision:
        case "allow":
            return "allow", answer.message
        case "defer":
            return "defer", answer.message
        case _:
            return _deny(session, call, answer.message)


def _deny(session: Session, call: GateCall, reason: str) -> tuple[Decision, str]:
    key = f"gate-{session.door.session}-{call.tool_use_id[:200]}"
    session.audit(
        key, "tool.denied", call.tool_name[:100], {"reason": reason[:500], "tool_use_id": call.tool_use_id[:200]}
    )
    return "deny", reason
