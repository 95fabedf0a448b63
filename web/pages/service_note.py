"""Snooze, maintenance, and reset of a service's cooldowns; always with a reason."""

from typing import Annotated

from fastapi import Form
from starlette.requests import Request
from starlette.responses import Response

from domain.ids import service_id
from domain.people import Permission
from web.access import require
from web.errors import PageError
from web.pages._common import acted, address, service_url
from web.site import actor_of, site_of

A_WEEK = 7 * 24 * 60


async def handle(
    request: Request,
    node: str,
    name: str,
    kind: str,
    reason: Annotated[str, Form(max_length=500)] = "",
    minutes: Annotated[int, Form(ge=0, le=A_WEEK)] = 0,
) -> Response:
    """POST /services/{node}/{name}/{kind}."""
    site = site_of(request)
    service = service_id(node, name)
    if await site.insights.service(service) is None:
        raise PageError(404, f"No repository declares a service {node}/{name}.")
    if kind == "reset":
        await require(request, Permission.MANAGE)
    act = await site.actions.note(service, kind, minutes, reason, actor_of(request))
    return acted(request, act, address(request, "cooldowns_list") if kind == "reset" else service_url(request)(service))
