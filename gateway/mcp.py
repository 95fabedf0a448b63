"""MCP over streamable HTTP, spoken by hand: requests in, one JSON answer or one event stream out.

`act` answers with a stream whose first event carries an id that holds the call itself. When this process dies while an
effect runs, the CLI asks again with that id (Last-Event-ID) and gets the answer of the same action. Without the id the
CLI would wait until its wall clock (tried).
"""

import asyncio
import base64
import json
from typing import Any, cast

import structlog
from aiohttp import web
from pydantic import ValidationError

from domain.action import ActionRequest
from domain.base import Value
from gateway import tools
from gateway.asking import TOO_MANY_WISHES, action_request
from gateway.observer import ToolAnswer
from gateway.session import MAX_JSON_BODY, SESSION, Session, bounded_body
from policy.access import may_act

log = structlog.get_logger("gateway.mcp")

PROTOCOLS = ("2025-11-25", "2025-06-18", "2025-03-26")
TOOL_USE_ID = "claudecode/toolUseId"
RECONNECT_MS = 1_000  # the relay waits for a new gateway longer than that
LOOK_BOUND_S = 120.0
MAX_EVENT_ID = 7_000  # a header line may have 8 kB

PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602


class _Pending(Value):
    """One `act` call, whole, so that a new process can take it up. Holds nothing that the session did not write."""

    rpc: int | str
    tool_use_id: str
    arguments: dict[str, Any]
    token: int | str | None = None

    def event_id(self) -> str:
        """Printable form for an event's id."""
        return base64.urlsafe_b64encode(self.model_dump_json().encode()).decode()


async def post(request: web.Request) -> web.StreamResponse:
    """POST /mcp: one JSON-RPC message."""
    session = request.config_dict[SESSION]
    body = await bounded_body(request, MAX_JSON_BODY)
    if body is None:
        return web.json_response(_error(None, INVALID_REQUEST, "the message is too large"), status=413)
    try:
        parsed: Any = json.loads(body)
    except (ValueError, RecursionError):
        return web.json_response(_error(None, PARSE_ERROR, "not JSON"), status=400)
    if not isinstance(parsed, dict):
        return web.json_response(_error(None, INVALID_REQUEST, "one message at a time"), status=400)
    message = cast("dict[str, Any]", parsed)
    rpc, method = message.get("id"), message.get("method")
    if not isinstance(method, str):
        return web.Response(status=202)  # an answer to something that we never asked
    if rpc is None:
        return web.Response(status=202)  # a notification
    if not isinstance(rpc, (int, str)) or not _sendable(rpc):
        return web.json_response(_error(None, INVALID_REQUEST, "id must be a number or text"), status=400)
    params = _object(message.get("params"))
    if method == "tools/call" and params.get("name") == "act":
        return await _act(request, session, rpc, params)
    return web.json_response(await _answer(session, rpc, method, params))


async def get(request: web.Request) -> web.StreamResponse:
    """GET /mcp: nothing is pushed, so 405; but a cut `act` is taken up again by its event id."""
    session = request.config_dict[SESSION]
    last = request.headers.get("Last-Event-ID", "")
    pending = _pending(last)
    if pending is None:
        return web.Response(status=405, headers={"Allow": "POST"})
    log.info("act taken up again", session=session.door.session, tool_use_id=pending.tool_use_id)
    return await _stream(request, session, pending)


async def _answer(session: Session, rpc: int | str, method: str, params: dict[str, Any]) -> dict[str, Any]:
    match method:
        case "initialize":
            return _result(rpc, _welcome(params))
        case "ping":
            return _result(rpc, {})
        case "tools/list":
            return _result(rpc, {"tools": await tools.offered(session)})
        case "tools/call":
            return await _look(session, rpc, params)
        case _:
            # `server/discover` of newer clients ends here too: they go on with `initialize`.
            return _error(rpc, NO_METHOD, "no such method")


def _welcome(params: dict[str, Any]) -> dict[str, Any]:
    asked = params.get("protocolVersion")
    return {
        "protocolVersion": asked if asked in PROTOCOLS else PROTOCOLS[0],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "tiercel", "version": "1"},
    }


async def _look(session: Session, rpc: int | str, params: dict[str, Any]) -> dict[str, Any]:
    name = params.get("name")
    try:
        looked = tools.look(session, name if isinstance(name, str) else "", _object(params.get("arguments")))
        answer = await asyncio.wait_for(looked, LOOK_BOUND_S)
    except TimeoutError:
        answer = ToolAnswer(text=f"no answer within {LOOK_BOUND_S:.0f} s", fault=True)
    except Exception:
        log.exception("tool failed", session=session.door.session, tool=str(name)[:40])
        answer = ToolAnswer(text="the tool failed; try again or go on without it", fault=True)
    if answer is None:
        return _error(rpc, INVALID_PARAMS, f"no such tool: {str(name)[:40]}")
    return _result(rpc, _content(answer))


async def _act(request: web.Request, session: Session, rpc: int | str, params: dict[str, Any]) -> web.StreamResponse:
    meta = _object(params.get("_meta"))
    token = meta.get("progressToken")
    try:
        pending = _Pending(
            rpc=rpc,
            tool_use_id=meta.get(TOOL_USE_ID) or "",
            arguments=_object(params.get("arguments")),
            token=token if isinstance(token, (int, str)) else None,
        )
    except ValidationError:
        return web.json_response(_error(rpc, INVALID_PARAMS, "the call carries no tool-use id"))
    wrong = _checked(session, pending)
    if isinstance(wrong, str):
        key = f"act-{session.door.session}-{pending.tool_use_id[:200]}-invalid"
        told: dict[str, object] = {"reason": wrong[:500], "tool_use_id": pending.tool_use_id[:200]}
        session.audit(key, "action.invalid", str(pending.arguments.get("target", ""))[:100], told)
        return web.json_response(_result(rpc, _content(ToolAnswer(text=wrong, fault=True))))
    if len(pending.event_id()) > MAX_EVENT_ID:
        return web.json_response(_result(rpc, _content(ToolAnswer(text="invalid arguments: too long", fault=True))))
    return await _stream(request, session, pending)


def _checked(session: Session, pending: _Pending) -> ActionRequest | str:
    access = may_act(session.door.tier, session.door.granted)
    if not access.allowed:
        return access.reason
    asked = action_request(session.door.session, pending.tool_use_id, pending.arguments, session.behind.redact)
    if isinstance(asked, ActionRequest) and not session.may_wish(asked.tool_use_id):
        return TOO_MANY_WISHES
    return asked


async def _stream(request: web.Request, session: Session, pending: _Pending) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await response.prepare(request)
    # Before anything is asked of the escalation: from here on the call can be taken up by another process.
    await response.write(f"id: {pending.event_id()}\nretry: {RECONNECT_MS}\ndata: \n\n".encode())
    performing = asyncio.create_task(_perform(session, pending))
    try:
        progress = 0
        while not (await asyncio.wait({performing}, timeout=session.behind.progress_s))[0]:
            progress += 1
            await response.write(_progress(pending, progress))
        await response.write(_event(_result(pending.rpc, _content(performing.result()))))
        await response.write_eof()
    finally:
        performing.cancel()
    return response


async def _perform(session: Session, pending: _Pending) -> ToolAnswer:
    asked = _checked(session, pending)
    if isinstance(asked, str):
        return ToolAnswer(text=asked, fault=True)
    try:
        return await asyncio.wait_for(tools.act(session, asked), session.behind.act_bound_s)
    except TimeoutError:
        return ToolAnswer(text="No answer in time; the outcome is not known. Probe before anything else.", fault=True)
    except Exception:
        log.exception("act failed", session=session.door.session)
        return ToolAnswer(
            text="The action could not be carried out; its outcome is not known. Probe first.", fault=True
        )


def _pending(event_id: str) -> _Pending | None:
    if not event_id or len(event_id) > MAX_EVENT_ID:
        return None
    try:
        return _Pending.model_validate_json(base64.urlsafe_b64decode(event_id))
    except ValueError:
        return None


def _progress(pending: _Pending, n: int) -> bytes:
    if pending.token is None:
        return b": waiting\n\n"
    params = {"progressToken": pending.token, "progress": n, "message": "the action is under way"}
    return _event({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})


def _event(message: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(message).encode() + b"\n\n"


def _content(answer: ToolAnswer) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": answer.text}], "isError": answer.fault}


def _result(rpc: int | str, result: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": rpc, "result": result}


def _error(rpc: int | str | None, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": rpc, "error": {"code": code, "message": message}}


def _sendable(rpc: int | str) -> bool:
    """Whether the id can be written down again: half a character has no form on the wire."""
    return isinstance(rpc, int) or not any("\ud800" <= c <= "\udfff" for c in rpc)


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
