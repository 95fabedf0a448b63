"""A person's answer to one exact action."""

from typing import Annotated, Literal

from fastapi import Form
from starlette.requests import Request
from starlette.responses import Response

from web.errors import PageError
from web.pages._common import acted, address
from web.site import actor_of, site_of


async def handle(
    request: Request,
    approval: str,
    decision: Annotated[Literal["approve", "deny"], Form()],
    digest: Annotated[str, Form(max_length=128)],
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """POST /approvals/{approval}/decide. The digest is the one that was on the page."""
    site = site_of(request)
    found = await site.insights.approval(approval)
    if found is None:
        raise PageError(404, f"There is no approval {approval}.")
    act = await site.actions.decide(
        found, digest=digest, approve=decision == "approve", reason=reason, actor=actor_of(request)
    )
    return acted(request, act, address(request, "approval_show", approval=approval))
