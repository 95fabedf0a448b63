"""What waits for a person, and what was answered; the same as JSON and as CSV."""

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from adapters.database.records import Page
from domain.incident import Approval, ApprovalState
from web.pages._common import frame
from web.pages._list import Asked, asked_of, csv_list, json_page, one_of, view_of
from web.pages.approval_json import question_body
from web.site import site_of

STATES = tuple(str(s) for s in ApprovalState if s != ApprovalState.PENDING)
COLUMNS = (
    "id", "state", "kind", "target", "risk", "reason", "decided_by", "requested_at", "decided_at", "expires_at", "incident",
)  # fmt: skip


async def handle(request: Request) -> Response:
    """GET /approvals."""
    site = site_of(request)
    asked = _asked(request)
    pending, _ = await site.insights.approvals()
    view: dict[str, Any] = {
        **view_of(request, "approvals", asked, await site.insights.lists.approvals(asked["state"], asked.after)),
        "pending": await site.insights.questions(pending),
        "engine_down": bool(pending) and not await site.engine.alive(),
        "states": ("", *STATES),
    }
    return site.renderer.page(request, "approvals.html", await frame(request, "approvals_list", **view))


async def handle_json(request: Request) -> Response:
    """GET /approvals.json: what waits, and a page of what was answered."""
    insights = site_of(request).insights
    asked = _asked(request)
    pending, _ = await insights.approvals()
    waiting = [question_body(q) for q in await insights.questions(pending)]
    return json_page(asked, await insights.lists.approvals(asked["state"], asked.after), pending=waiting)


async def handle_csv(request: Request) -> Response:
    """GET /approvals.csv: what was answered."""
    asked = _asked(request)
    lists = site_of(request).insights.lists

    async def read(after: str, limit: int) -> Page[Approval]:
        return await lists.approvals(asked["state"], after, limit)

    return await csv_list(request, "approvals", COLUMNS, asked, read, _cells)


def _asked(request: Request) -> Asked:
    asked = asked_of(request, "state")
    one_of(asked, "state", STATES)
    return asked


def _cells(a: Approval) -> Iterable[object]:
    return (
        a.id, a.state.value, a.action.kind.value, a.action.target, a.action.risk.value, a.reason, a.decided_by, a.requested_at,
        a.decided_at, a.expires_at, a.incident,
    )  # fmt: skip
