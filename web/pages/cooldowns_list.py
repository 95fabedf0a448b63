"""What may still be done to each service, who used the slots, and what was refused; the same as JSON and as CSV."""

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response

from adapters.database.records import Page
from domain.action import Action
from web.listmodels import CooldownRow
from web.pages._common import address, frame
from web.pages._list import Asked, asked_of, csv_list, json_page, view_of
from web.site import site_of

COLUMNS = (
    "service", "class", "used", "limit", "window_s", "next_slot_at", "used_by", "refused", "maintenance_until", "snoozed_until",
)  # fmt: skip


async def handle(request: Request) -> Response:
    """GET /cooldowns."""
    site = site_of(request)
    asked = _asked(request)
    page, free = await site.insights.lists.cooldowns(asked["q"], asked["node"], asked.after)
    nodes, _ = await site.insights.lists.marks()

    def session_url(action: Action) -> str:
        return f"{address(request, 'incident_show', incident=action.incident)}?log={action.session}:1"

    view = {**view_of(request, "cooldowns", asked, page), "free": free, "nodes": nodes, "session_url": session_url}
    context = await frame(request, "cooldowns_list", "ledger", "action", **view)
    return site.renderer.page(request, "cooldowns.html", context)


async def handle_json(request: Request) -> Response:
    """GET /cooldowns.json."""
    asked = _asked(request)
    page, free = await site_of(request).insights.lists.cooldowns(asked["q"], asked["node"], asked.after)
    return json_page(asked, page, free=free)


async def handle_csv(request: Request) -> Response:
    """GET /cooldowns.csv: one row per service and class."""
    asked = _asked(request)
    lists = site_of(request).insights.lists

    async def read(after: str, limit: int) -> Page[tuple[object, ...]]:
        page, _ = await lists.cooldowns(asked["q"], asked["node"], after, limit)
        return Page(tuple(cells for row in page.rows for cells in _cells(row)), page.next)

    return await csv_list(request, "cooldowns", COLUMNS, asked, read, lambda cells: cells)


def _asked(request: Request) -> Asked:
    return asked_of(request, "q", "node")


def _cells(row: CooldownRow) -> Iterable[tuple[object, ...]]:
    for c in row.classes:
        s, j = c.slot, row.journal
        refused = sum(a.cooldown_class == s.cooldown_class for a in row.refused)
        used_by = [u.permit.holder for u in c.uses]
        soon = s.next_slot_at if s.limit > 0 else None
        yield (
            row.service, s.cooldown_class.value, s.used, s.limit, s.window_s, soon, used_by, refused, j.maintenance_until, j.snoozed_until,
        )  # fmt: skip
