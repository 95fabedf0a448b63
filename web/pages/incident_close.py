"""A person ends an incident."""

from typing import Annotated

from fastapi import Form
from starlette.requests import Request
from starlette.responses import Response

from web.errors import PageError
from web.pages._common import acted, address
from web.site import actor_of, site_of


async def handle(request: Request, incident: str, reason: Annotated[str, Form(max_length=500)] = "") -> Response:
    """POST /incidents/{incident}/close."""
    site = site_of(request)
    view = await site.insights.incident(incident)
    if view is None:
        raise PageError(404, f"There is no incident {incident}.")
    act = await site.actions.close(view.row.id, view.row.workflow_id, reason, actor_of(request))
    return acted(request, act, address(request, "incident_show", incident=view.row.id))
