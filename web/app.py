"""The dashboard as an ASGI application."""

from collections.abc import AsyncGenerator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from web.addresses import know_routes
from web.errors import add_handlers
from web.routes import add_routes
from web.security import Guard
from web.site import Site

MAX_BODY = 1 << 20


class _Walled(FastAPI):
    """The guard stands around everything: faults of ours and bodies that are too large are answered behind it, too."""

    def __init__(self, site: Site, **more: Any) -> None:
        super().__init__(**more)
        self.state.site = site

    def build_middleware_stack(self) -> ASGIApp:
        """As FastAPI does it, within the guard."""
        site: Site = self.state.site
        settings = site.settings
        return Guard(
            super().build_middleware_stack(),
            public_url=settings.public_url,
            count_of_changes=lambda: site.hub.count,
            web_host=settings.web_host,
        )


def create_app(site: Site) -> FastAPI:
    """Everything behind the guard. Streams are told to end when the process closes."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        site.hub.close()

    app = _Walled(
        site,
        title="Tiercel",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        max_body_size=MAX_BODY,
        telemetry={"metrics": False, "logs": False, "operation_spans": False, "exclude": _no_act},
    )
    add_routes(app)
    know_routes(app)
    add_handlers(app)
    return app


def _no_act(scope: MutableMapping[str, Any]) -> bool:
    """Only what a person does begins a trace: a stream would be a span of hours, and pages ask again and again."""
    return scope["type"] != "http" or scope["method"] != "POST"
