"""Every schedule as Temporal holds it: when, why, what became of the last runs; the same as JSON and as CSV."""

from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

from fastapi.encoders import jsonable_encoder
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domain.errors import EngineUnavailableError
from domain.schedule import ScheduleState
from web.pages._common import csv_rows, frame
from web.services import schedules
from web.site import site_of

COLUMNS = (
    "id", "when", "specification", "zone", "paused", "note", "next", "left_out", "last_due", "last_status",
    "overlap", "catchup_s", "missed", "overlapped",
)  # fmt: skip


async def handle(request: Request) -> Response:
    """GET /schedules. Without Temporal the page says so: nothing is shown from memory."""
    site = site_of(request)
    away = ""
    found: tuple[ScheduleState, ...] = ()
    try:
        found = await site.schedules.all()
    except EngineUnavailableError as e:
        away = str(e)
    view: dict[str, Any] = {"rows": found, "away": away, "words_of": schedules, "zone_of": ZoneInfo}
    context = await frame(request, "schedules_list", "health", "incident", **view)
    return site.renderer.page(request, "schedules.html", context, 503 if away else 200)


async def handle_json(request: Request) -> Response:
    """GET /schedules.json."""
    rows = [
        {
            **state.model_dump(),
            "next": state.fires,
            "when": schedules.when(state),
            "specification": schedules.raw(state),
        }
        for state in await site_of(request).schedules.all()
    ]
    return JSONResponse({"items": jsonable_encoder(rows)}, headers={"cache-control": "no-store"})


async def handle_csv(request: Request) -> Response:
    """GET /schedules.csv."""
    return csv_rows("tiercel-schedules.csv", COLUMNS, map(_cells, await site_of(request).schedules.all()))


def _cells(state: ScheduleState) -> Iterable[object]:
    last = state.runs[0] if state.runs else None
    return (
        state.id,
        schedules.when(state),
        schedules.raw(state),
        state.zone,
        state.paused,
        state.note,
        [at.isoformat() for at in state.fires],
        [at.isoformat() for at in state.left_out],
        last.due if last else None,
        last.status if last else "",
        state.overlap,
        state.catchup_s,
        state.missed,
        state.overlapped,
    )
