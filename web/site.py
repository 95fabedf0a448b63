"""What the pages work with, put together once by main.py (or by a test)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from starlette.requests import HTTPConnection, Request

from config.settings import Settings
from domain.people import Who
from policy.redaction import redactor
from web.assets import Asset
from web.live.hub import Hub
from web.rendering import Renderer
from web.services.actions import Actions, Actor
from web.services.budgets import BudgetViews
from web.services.costs import CostViews
from web.services.engine_link import EngineLink
from web.services.examinations import Examinations
from web.services.histories import Histories
from web.services.insights import Insights
from web.services.links import LinkDesk
from web.services.logins import Logins
from web.services.memories import MemoryBook
from web.services.metrics import Metrics
from web.services.people import People
from web.services.schedules import Schedules

VERSION = "0.1.0"


@dataclass(frozen=True)
class Site:
    """One dashboard."""

    settings: Settings
    insights: Insights
    costs: CostViews
    budgets: BudgetViews
    actions: Actions
    schedules: Schedules
    engine: EngineLink
    logins: Logins
    people: People
    examinations: Examinations
    histories: Histories
    memories: MemoryBook
    metrics: Metrics
    links: LinkDesk
    hub: Hub
    renderer: Renderer
    assets: dict[str, Asset]
    now: Callable[[], datetime]
    temporal_ui: Callable[[], str]  # address of the Temporal UI, "" where there is none
    record_alive: Callable[[], bool]
    redact: Callable[[str], str] = field(default_factory=redactor)  # for what leaves as a file


def site_of(request: HTTPConnection) -> Site:
    """The site that a request belongs to."""
    site = request.app.state.site
    assert isinstance(site, Site)  # noqa: S101 - set by create_app
    return site


def actor_of(request: Request) -> Actor:
    """Who acts: the person or the key that web/access.py let in; the owner where login is switched off."""
    who = who_of(request)
    assert who is not None  # noqa: S101 - every route that acts names its permission, so somebody was let in
    return Actor(kind=who.kind, name=who.name)


def who_of(connection: HTTPConnection) -> Who | None:
    """Who was let in, once web/access.py has looked."""
    return getattr(connection.state, "who", None)
