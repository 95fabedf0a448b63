"""The list of incidents, with its filters in the address; the same as JSON and as CSV."""

from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

from fastapi.encoders import jsonable_encoder
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from adapters.database.records import IncidentFilter, IncidentRow, Page
from domain.incident import CLOSED_STATES, IncidentState
from web.errors import PageError
from web.formats import words
from web.pages._common import EXPORT, csv_file, frame
from web.site import site_of

LIVE = tuple(str(s) for s in IncidentState if s not in CLOSED_STATES)
STATES = (("", "any"), ("live", "still open"), *((str(s), words(s)) for s in IncidentState))
COLUMNS = tuple(f.name for f in fields(IncidentRow))
TRIGGERS = ("", "patrol", "manual", "alert", "look")


@dataclass(frozen=True)
class Asked:
    """The query string."""

    state: str = ""
    service: str = ""
    trigger: str = ""
    after: str = ""

    @property
    def any(self) -> bool:
        """Whether something is left out on purpose."""
        return bool(self.state or self.service or self.trigger)

    @property
    def query(self) -> str:
        """As an address has it."""
        pairs = [
            (k, v)
            for k, v in (
                ("state", self.state),
                ("service", self.service),
                ("trigger", self.trigger),
                ("after", self.after),
            )
            if v
        ]
        return "?" + urlencode(pairs) if pairs else ""


async def handle(request: Request) -> Response:
    """GET /incidents."""
    asked, page = await _read(request)
    site = site_of(request)
    view = {
        "view": page,
        "filter": asked,
        "states": STATES,
        "triggers": TRIGGERS,
        "filter_query": asked.query,
        "first_query": replace(asked, after="").query,
        "next_query": replace(asked, after=page.next).query,
    }
    return site.renderer.page(request, "incidents.html", await frame(request, "incidents_list", "incident", **view))


async def handle_json(request: Request) -> Response:
    """GET /incidents.json."""
    asked, page = await _read(request)
    body: dict[str, Any] = {
        "items": jsonable_encoder(page.rows),
        "next": replace(asked, after=page.next).query if page.next else "",
    }
    return JSONResponse(body, headers={"cache-control": "no-store"})


async def handle_csv(request: Request) -> Response:
    """GET /incidents.csv: every incident that the filter lets through."""
    asked, which = await _asked(request)
    insights = site_of(request).insights

    async def read(after: str) -> Page[IncidentRow]:
        return await insights.incidents(which, after, EXPORT)

    return await csv_file(
        request, "tiercel-incidents.csv", COLUMNS, read, lambda row: (getattr(row, c) for c in COLUMNS), asked.after
    )


async def _read(request: Request) -> tuple[Asked, Page[IncidentRow]]:
    asked, which = await _asked(request)
    return asked, await site_of(request).insights.incidents(which, asked.after)


async def _asked(request: Request) -> tuple[Asked, IncidentFilter]:
    query = request.query_params
    asked = Asked(*(query.get(name, "").strip() for name in ("state", "service", "trigger", "after")))
    if asked.state not in {s for s, _ in STATES} or asked.trigger not in TRIGGERS:
        raise PageError(422, "There is no such state or trigger.", "Choose one from the list on the page.")
    insights = site_of(request).insights
    service = (await insights.resolve(asked.service) or asked.service.casefold()) if asked.service else ""
    states = LIVE if asked.state == "live" else (asked.state,) if asked.state else ()
    return asked, IncidentFilter(states=states, service=service, trigger=asked.trigger)
