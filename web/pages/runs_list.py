"""Every escalation in which a session was begun, as one row; the same as JSON and as CSV."""

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from adapters.database.records import IncidentFilter, Page
from domain.incident import CLOSED_STATES, IncidentState
from web.formats import words
from web.listmodels import Chain
from web.pages._common import address, frame
from web.pages._list import Asked, asked_of, csv_list, json_page, one_of, times_of, view_of
from web.site import site_of

LIVE = tuple(str(s) for s in IncidentState if s not in CLOSED_STATES)
STATES = (("", "any"), ("live", "still going on"), *((str(s), words(s)) for s in IncidentState))
TRIGGERS = ("patrol", "manual", "alert", "look")
TIERS = ("1", "2", "3")
COLUMNS = (
    "id", "service", "trigger", "requested_by", "status", "tier", "sessions", "actions", "pending_approvals", "cost_usd",
    "tokens", "opened_at", "closed_at", "dry_run", "scripted", "summary",
)  # fmt: skip


async def handle(request: Request) -> Response:
    """GET /runs."""
    site = site_of(request)
    asked, which = await _asked(request)
    page = await site.insights.lists.runs(which, asked.after)
    nodes, _ = await site.insights.lists.marks()

    def log_url(incident: str, session: str, attempt: int) -> str:
        return f"{address(request, 'incident_show', incident=incident)}?log={session}:{attempt}"

    view: dict[str, Any] = {
        **view_of(request, "runs", asked, page),
        "states": STATES,
        "triggers": TRIGGERS,
        "tiers": TIERS,
        "nodes": nodes,
        "log_url": log_url,
    }
    return site.renderer.page(request, "runs.html", await frame(request, "runs_list", "incident", **view))


async def handle_json(request: Request) -> Response:
    """GET /runs.json."""
    asked, which = await _asked(request)
    return json_page(asked, await site_of(request).insights.lists.runs(which, asked.after), _item)


async def handle_csv(request: Request) -> Response:
    """GET /runs.csv."""
    asked, which = await _asked(request)
    lists = site_of(request).insights.lists

    async def read(after: str, limit: int) -> Page[Chain]:
        return await lists.runs(which, after, limit)

    return await csv_list(request, "runs", COLUMNS, asked, read, _cells)


async def _asked(request: Request) -> tuple[Asked, IncidentFilter]:
    asked = asked_of(request, "status", "trigger", "tier", "service", "node", "since", "until")
    status = one_of(asked, "status", (value for value, _ in STATES))
    since, until = times_of(request, asked)
    insights = site_of(request).insights
    service = asked["service"] and (await insights.resolve(asked["service"]) or asked["service"].casefold())
    which = IncidentFilter(
        states=LIVE if status == "live" else (status,) if status else (),
        service=service,
        trigger=one_of(asked, "trigger", TRIGGERS),
        node=asked["node"],
        tier=int(one_of(asked, "tier", TIERS) or 0),
        tried=True,
        since=since,
        until=until,
    )
    return asked, which


def _item(chain: Chain) -> dict[str, object]:
    row = dict(zip(COLUMNS, _cells(chain), strict=True))
    return {**row, "sessions": chain.sessions}


def _cells(chain: Chain) -> Iterable[object]:
    r = chain.row
    return (
        r.id, r.service, r.trigger, r.requested_by, r.state, r.tier, r.sessions, r.actions, r.pending_approvals, r.cost_usd,
        r.tokens, r.opened_at, r.closed_at, r.dry_run, r.scripted, r.summary,
    )  # fmt: skip
