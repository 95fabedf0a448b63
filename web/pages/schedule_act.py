"""Pause, resume, skip the next time, take a skip back, run now."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Form
from starlette.requests import Request
from starlette.responses import Response

from web.errors import PageError
from web.pages._common import acted, address
from web.services.actions import Act
from web.services.schedules import Schedules
from web.site import actor_of, site_of


async def handle(
    request: Request,
    schedule: str,
    act: Literal["pause", "resume", "skip", "restore", "run"],
    note: Annotated[str, Form(max_length=300)] = "",
    at: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """POST /schedules/{schedule}/{act}. `at` is the time that the person saw."""
    done = await _do(site_of(request).schedules, request, schedule, act, note, at)
    return acted(request, done, address(request, "schedules_list"))


async def _do(schedules: Schedules, request: Request, schedule: str, act: str, note: str, at: str) -> Act:
    actor = actor_of(request)
    match act:
        case "pause":
            return await schedules.pause(schedule, note, actor)
        case "resume":
            return await schedules.resume(schedule, actor)
        case "run":
            return await schedules.run(schedule, actor)
        case "skip":
            return await schedules.skip(schedule, _time(at), actor)
        case _:
            return await schedules.restore(schedule, _time(at), actor)


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise PageError(422, "It is not said which time is meant.", "Use the buttons of the page.")
    return at
