"""Make up for times that were missed: first what would run, then the button."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Form, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from domain.schedule import ScheduleState
from web.errors import PageError
from web.pages._common import acted, address, frame
from web.services import schedules
from web.services.schedules import Backfill
from web.site import actor_of, site_of

Text = Annotated[str, Query(max_length=32)]


async def handle(
    request: Request,
    schedule: str,
    begin: Annotated[str, Query(alias="from", max_length=32)] = "",
    end: Annotated[str, Query(alias="to", max_length=32)] = "",
) -> Response:
    """GET /schedules/{schedule}/backfill: the form, and with both times what would run."""
    site = site_of(request)
    state = await _state(request, schedule)
    zone = ZoneInfo(state.zone)
    shown: Backfill | None = None
    if begin and end:
        shown = await site.schedules.preview(state, _local(begin, zone), _local(end, zone))
    now = site.now().astimezone(zone)
    context = await frame(
        request,
        "schedules_list",
        schedule=state,
        words_of=schedules,
        zone=zone,
        shown=shown,
        begin=begin or f"{now - timedelta(hours=6):%Y-%m-%dT%H:%M}",
        end=end or f"{now:%Y-%m-%dT%H:%M}",
        live=False,
    )
    return site.renderer.page(request, "backfill.html", context)


async def handle_start(
    request: Request,
    schedule: str,
    begin: Annotated[str, Form(alias="from", max_length=32)],
    end: Annotated[str, Form(alias="to", max_length=32)],
    runs: Annotated[int, Form(ge=1, le=schedules.MOST_RUNS)],
) -> Response:
    """POST /schedules/{schedule}/backfill. `runs` is the number that the person saw."""
    site = site_of(request)
    zone = ZoneInfo((await _state(request, schedule)).zone)
    act = await site.schedules.backfill(schedule, _local(begin, zone), _local(end, zone), runs, actor_of(request))
    back = address(request, "schedules_list")
    if act.accepted and request.headers.get("hx-request") != "true":
        return RedirectResponse(back, status_code=303)
    return acted(request, act, back, leave=True)


async def _state(request: Request, schedule: str) -> ScheduleState:
    found = await site_of(request).schedules.one(schedule)
    if found is None:
        raise PageError(404, f"There is no schedule {schedule} in Temporal.", "The list has all that there are.")
    return found


def _local(text: str, zone: ZoneInfo) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError) as e:
        raise PageError(422, f"'{text}' is no time.", "Write it as 2026-11-21T09:30.") from e
