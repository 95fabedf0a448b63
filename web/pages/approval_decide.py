"""A person's answer to one exact action: yes, no, or another one."""

from typing import Annotated, Literal

from fastapi import Form
from starlette.requests import Request
from starlette.responses import Response

from domain.incident import Approval, Change
from policy.approvals import is_harmful
from policy.links import how
from policy.params import STOP_WAIT
from web.access import ask_password
from web.errors import PageError
from web.pages._common import acted, address
from web.services.links import SESSION
from web.site import actor_of, site_of, who_of


async def handle(
    request: Request,
    approval: str,
    decision: Annotated[Literal["approve", "deny", "change"], Form()],
    digest: Annotated[str, Form(max_length=128)],
    reason: Annotated[str, Form(max_length=500)] = "",
    instead: Annotated[str, Form(max_length=200)] = "",
    stop_wait_s: Annotated[str, Form(max_length=8)] = "",
    link: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """POST /approvals/{approval}/decide. The digest is the one that was on the page; `instead` is `<kind> <target>`."""
    site = site_of(request)
    found = await site.insights.approval(approval)
    if found is None:
        raise PageError(404, f"There is no approval {approval}.")
    who = who_of(request)
    changed = change_of(instead, stop_wait_s) if decision == "change" else None
    if await harmful(request, found, decision, changed):
        await ask_password(request)
    came_by = await site.links.of_session(link, found.id, who) if link and who else None
    act = await site.actions.decide(
        found,
        digest=digest,
        approve=decision != "deny",
        reason=reason,
        actor=actor_of(request),
        how=how(came_by, SESSION) if came_by else "dashboard",
        change=changed,
    )
    if came_by and act.accepted:
        await site.links.spent(came_by)
    return acted(request, act, address(request, "approval_show", approval=approval))


async def harmful(request: Request, approval: Approval, decision: str, change: Change | None) -> bool:
    """Whether what would be allowed could do harm. A denial never does; what the rules refuse is told by them."""
    if decision == "deny":
        return False
    if change is None:
        return is_harmful(approval.action, approval.blast)
    would = await site_of(request).insights.preview(approval, change)
    return would.action is not None and is_harmful(would.action, would.blast)


def change_of(instead: str, stop_wait_s: str) -> Change:
    """The fields of the form. What cannot be is refused by the same rules as a session's wish, in words."""
    kind, _, target = instead.partition(" ")
    given = stop_wait_s.strip()
    value: int | str = int(given) if given.isascii() and given.isdecimal() else given
    return Change(kind=kind, target=target, params={STOP_WAIT.name: value} if given else {})
