"""The list of incidents, with its filters in the address; the same as JSON and as CSV."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from adapters.database.records import IncidentFilter, IncidentRow, Page
from domain.incident import CLOSED_STATES, IncidentState
from web.formats import words
from web.pages._common import cells_of, frame
from web.pages._list import Asked, asked_of, csv_list, json_page, one_of, view_of
from web.site import site_of

LIVE = tuple(str(s) for s in IncidentState if s not in CLOSED_STATES)
STATES = (("", "any"), ("live", "still open"), *((str(s), words(s)) for s in IncidentState))
COLUMNS = tuple(f.name for f in fields(IncidentRow))
TRIGGERS = ("patrol", "manual", "alert", "look")


async def handle(request: Request) -> Response:
    """GET /incidents."""
    site = site_of(request)
    asked, which = await _asked(request)
    page = await site.insights.incidents(which, asked.after)
    view: dict[str, Any] = {**view_of(request, "incidents", asked, page), "states": STATES, "triggers": TRIGGERS}
    return site.renderer.page(request, "incidents.html", await frame(request, "incidents_list", "incident", **view))


async def handle_json(request: Request) -> Response:
    """GET /incidents.json."""
    asked, which = await _asked(request)
    return json_page(asked, await site_of(request).insights.incidents(which, asked.after))


async def handle_csv(request: Request) -> Response:
    """GET /incidents.csv: every incident that the filter lets through."""
    asked, which = await _asked(request)
    insights = site_of(request).insights

    async def read(after: str, limit: int) -> Page[IncidentRow]:
        return await insights.incidents(which, after, limit)

    return await csv_list(request, "incidents", COLUMNS, asked, read, _cells)


def _cells(row: IncidentRow) -> Iterable[object]:
    return next(iter(cells_of(COLUMNS, [row])))


async def _asked(request: Request) -> tuple[Asked, IncidentFilter]:
    asked = asked_of(request, "state", "service", "trigger")
    state = one_of(asked, "state", (value for value, _ in STATES))
    insights = site_of(request).insights
    service = asked["service"] and (await insights.resolve(asked["service"]) or asked["service"].casefold())
    states = LIVE if state == "live" else (state,) if state else ()
    return asked, IncidentFilter(states=states, service=service, trigger=one_of(asked, "trigger", TRIGGERS))
