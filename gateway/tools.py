"""The MCP tools of a session. Most look (gateway/looking); `act` asks the escalation, from tier 2 on."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError

from domain.action import ActionKind, ActionRequest
from domain.base import Declared
from domain.ids import LOCAL_NODE
from domain.inventory import Inventory, ServiceKind
from domain.looking import LOOKING_TOOLS, LookingTool, looking_tool
from gateway.looking import table
from gateway.observer import MAX_LOG_LINES, ToolAnswer, bounded
from gateway.session import Session
from policy.access import looking_for, may_act, may_look

Spelling = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=200)]


class _Nothing(Declared):
    pass


class _Named(Declared):
    service: Spelling


class _LogsOf(Declared):
    service: Spelling
    lines: int = Field(default=100, ge=1, le=MAX_LOG_LINES, strict=True)


_SERVICE: dict[str, Any] = {"type": "string", "description": "A service id from `services`, such as local/web."}
CONTAINER_LOGS = next(t for t in LOOKING_TOOLS if t.name == "container_logs")
_READ_ONLY: dict[str, Any] = {"readOnlyHint": True, "openWorldHint": False}
_SCHEMAS: dict[str, dict[str, Any]] = {
    "services": {"type": "object", "properties": {}, "additionalProperties": False},
    "probe": {
        "type": "object",
        "properties": {"service": _SERVICE},
        "required": ["service"],
        "additionalProperties": False,
    },
    "logs": {
        "type": "object",
        "properties": {
            "service": _SERVICE,
            "lines": {"type": "integer", "minimum": 1, "maximum": MAX_LOG_LINES, "default": 100},
        },
        "required": ["service"],
        "additionalProperties": False,
    },
    **{name: table.schema(name) for name in table.RUNS},
}
_ACT: dict[str, Any] = {
    "name": "act",
    "description": (
        "Ask for one action on one service. Limits, approvals and the state of the service decide; the answer says what"
        " was done. A refusal is final for now: report it instead of asking again. Some actions wait for a person."
    ),
    "inputSchema": {
        "type": "object",
        "properties": {
            "kind": {"type": "string", "enum": [k.value for k in ActionKind]},
            "target": _SERVICE,
            "params": {
                "type": "object",
                "description": "Usually empty. restart of a container takes stop_wait_s, 1 to 60: seconds to stop by itself.",
            },
            "reason": {"type": "string", "description": "Why, in one or two sentences, for the people who read it."},
        },
        "required": ["kind", "target", "reason"],
        "additionalProperties": False,
    },
    "annotations": {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": False, "openWorldHint": False},
}


async def offered(session: Session) -> list[dict[str, Any]]:
    """The tools of a session, as `tools/list` gives them."""
    door, behind = session.door, session.behind
    inventory = await behind.observer.inventory()
    tools = looking_for(door.tier, behind.present(), door.granted, inventory)
    return [*(_described(t) for t in tools), *([_ACT] if may_act(door.tier, door.granted).allowed else [])]


def _described(tool: LookingTool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": tool.does,
        "inputSchema": _SCHEMAS[tool.name],
        "annotations": _READ_ONLY,
    }


async def look(session: Session, name: str, arguments: Mapping[str, Any]) -> ToolAnswer | None:
    """Run a tool that looks, where the session may, and put it into the audit. None where there is no such tool."""
    tool = looking_tool(name)
    if tool is None:
        return None
    target = session.behind.redact(table.target_of(arguments))
    access = may_look(name, session.door.tier, session.behind.present(), session.door.granted)
    if not access.allowed:
        session.reads.note("look_refused", name, f"{target[:80]}: {access.reason}", 0)
        return ToolAnswer(text=f"Not offered: {access.reason}.", fault=True)
    try:
        answer = await _looked(session, tool, arguments)
    except ValidationError as e:
        answer = ToolAnswer(text=table.explain(e), fault=True)
    session.reads.note("look_failed" if answer.fault else "looked", name, target, len(answer.text))
    return answer


async def _looked(session: Session, tool: LookingTool, arguments: Mapping[str, Any]) -> ToolAnswer:
    observer, sight = session.behind.observer, session.behind.sight
    match tool.name:
        case "services":
            _Nothing.model_validate(arguments)
            return await observer.services()
        case "probe":
            return await observer.probe(_Named.model_validate(arguments).service)
        case "logs":
            asked = _LogsOf.model_validate(arguments)
            if sight is not None and sight.window is not None and await _is_container(session, asked.service):
                # The same lines, without what the container's own variables call secret.
                return await _looked(session, CONTAINER_LOGS, asked.model_dump())
            return await observer.logs(asked.service, asked.lines)
        case _:
            if sight is None:
                return ToolAnswer(text="Not offered: this gateway looks at nothing else.", fault=True)
            async with session.look_slots:
                inventory = await observer.inventory()
                return await table.run(tool, arguments, sight, inventory or Inventory())


async def _is_container(session: Session, spelling: str) -> bool:
    inventory = await session.behind.observer.inventory()
    service = inventory.resolve(spelling) if inventory else None
    return service is not None and service.kind is ServiceKind.CONTAINER and service.node == LOCAL_NODE


async def act(session: Session, request: ActionRequest) -> ToolAnswer:
    """Ask the escalation to decide and perform. A refusal is an answer, not a fault."""
    what: dict[str, object] = {"kind": request.kind, "reason": request.reason, "tool_use_id": request.tool_use_id}
    key = f"act-{session.door.session}-{request.tool_use_id}"
    session.audit(key, "action.asked", request.target, what)
    answer = await session.behind.broker.act(session.door.workflow_id, request)
    detail: dict[str, object] = {"decision": answer.decision, "state": answer.state, "message": answer.message[:500]}
    session.audit(f"{key}-{answer.state}", "action.answered", request.target, {**what, **detail})
    return ToolAnswer(text=bounded(answer.message or answer.state))
