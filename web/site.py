"""What the pages work with, put together once by main.py (or by a test)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from config.settings import Settings
from web.assets import Asset
from web.live.hub import Hub
from web.rendering import Renderer
from web.services.actions import Actions, Actor
from web.services.engine_link import EngineLink
from web.services.insights import Insights
from web.services.schedules import Schedules

VERSION = "0.1.0"


@dataclass(frozen=True)
class Site:
    """One dashboard."""

    settings: Settings
    insights: Insights
    actions: Actions
    schedules: Schedules
    engine: EngineLink
    hub: Hub
    renderer: Renderer
    assets: dict[str, Asset]
    now: Callable[[], datetime]
    temporal_ui: Callable[[], str]  # address of the Temporal UI, "" where there is none
    record_alive: Callable[[], bool]


def site_of(request: Request) -> Site:
    """The site that a request belongs to."""
    site = request.app.state.site
    assert isinstance(site, Site)  # noqa: S101 - set by create_app
    return site


def actor_of(request: Request) -> Actor:
    """Who acts. Without login everybody on this machine is the owner; the address is what is known."""
    host = request.client.host if request.client else "local"
    client = request.headers.get("x-tiercel-client", "")
    return Actor(kind="web", name=f"{client[:40] or 'dashboard'} ({host})")
