"""Run now: a patrol, or a session that looks at what a person names."""

from typing import Annotated, Literal

from fastapi import Form
from starlette.requests import Request
from starlette.responses import Response

from web.errors import PageError
from web.pages._common import acted, address
from web.site import actor_of, site_of


async def handle(
    request: Request,
    what: Annotated[Literal["patrol", "look"], Form()] = "patrol",
    service: Annotated[str, Form(max_length=200)] = "",
    prompt: Annotated[str, Form(max_length=4000)] = "",
    tier: Annotated[int, Form(ge=1, le=3)] = 1,
    stay: Annotated[str, Form(max_length=8)] = "",
) -> Response:
    """POST /runs."""
    site = site_of(request)
    if what == "patrol":
        return acted(request, await site.actions.patrol(actor_of(request)), address(request, "overview_show"))
    target = ""
    if service.strip():
        target = await site.insights.resolve(service) or ""
        if not target:
            raise PageError(
                422,
                f"No service answers to '{service}'.",
                "Choose one from the list, or leave it empty to look at everything.",
            )
    act = await site.actions.look(target, prompt, tier, actor_of(request))
    back = (
        address(request, "incident_show", incident=act.incident) + "?started=1"
        if act.incident
        else address(request, "overview_show")
    )
    return acted(request, act, back, leave=not stay)
