"""The dashboard as an ASGI application."""

from collections.abc import AsyncGenerator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from web.addresses import know_routes
from web.errors import add_handlers
from web.routes import add_routes
from web.security import Guard
from web.site import Site

MAX_BODY = 1 << 20


def create_app(site: Site) -> FastAPI:
    """Everything behind the guard. Streams are told to end when the process closes."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        site.hub.close()

    app = FastAPI(
        title="Tiercel",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        max_body_size=MAX_BODY,
        telemetry={"metrics": False, "logs": False, "operation_spans": False, "exclude": _no_act},
    )
    app.state.site = site
    add_routes(app)
    know_routes(app)
    add_handlers(app)
    settings = site.settings
    app.add_middleware(
        Guard,
        public_url=settings.public_url,
        count_of_changes=lambda: site.hub.count,
        web_host=settings.web_host,
    )
    return app


def _no_act(scope: MutableMapping[str, Any]) -> bool:
    """Only what a person does begins a trace: a stream would be a span of hours, and pages ask again and again."""
    return scope["type"] != "http" or scope["method"] != "POST"
