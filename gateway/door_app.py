"""The routes of one door. What is not listed does not exist."""

from aiohttp import web

from gateway import mcp, model_proxy
from gateway.docker_api import docker
from gateway.gate import gate
from gateway.guard import bounded
from gateway.session import MAX_MODEL_BODY, SESSION, Session
from gateway.spans import in_trace
from gateway.telemetry import Telemetry


def build(session: Session) -> web.Application:
    """The application behind one session's socket."""
    app = web.Application(client_max_size=MAX_MODEL_BODY, middlewares=[bounded, in_trace])
    app[SESSION] = session
    app.router.add_post("/model/v1/messages", model_proxy.messages)
    app.router.add_post("/model/v1/messages/count_tokens", model_proxy.count_tokens)
    app.router.add_post("/mcp", mcp.post)
    app.router.add_get("/mcp", mcp.get, allow_head=False)
    app.router.add_post("/gate", gate)
    app.router.add_route("*", "/docker/{rest:.*}", docker)
    app.router.add_post("/otel/v1/{signal}", Telemetry().receive)
    app.router.add_route("*", "/{rest:.*}", _nothing_here)
    return app


async def _nothing_here(request: web.Request) -> web.Response:
    request.config_dict[SESSION].reads.note("look_refused", "door", "no such address", 0)
    return model_proxy.api_error(404, "not_found_error", "no such address")
