"""All watched services, worst first, with their bars; the same as JSON and as CSV."""

from collections.abc import Iterable
from dataclasses import fields
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from adapters.database.records import DAY, PERIODS, Page, Period, ServiceFilter
from web.listmodels import ServiceCard
from web.pages._common import address, frame
from web.pages._list import Asked, asked_of, csv_list, json_page, one_of, view_of
from web.site import site_of

STATES = {
    "failing": ("down", "degraded"),
    "unstable": (),
    **{s: (s,) for s in ("down", "degraded", "unknown", "up")},
}
COLUMNS = (
    "id", "node", "name", "kind", "repository", "tags", "status", "since", "last_probe_at", "summary", "open_incident",
    "failures", "down_s", "latency_p50_ms", "latency_p95_ms", "maintenance_until", "snoozed_until",
)  # fmt: skip


async def handle(request: Request) -> Response:
    """GET /services."""
    site = site_of(request)
    asked, which, period = _asked(request)
    page = await site.insights.lists.services(which, period, asked.after)
    nodes, tags = await site.insights.lists.marks()
    view: dict[str, Any] = {
        **view_of(request, "services", asked, page),
        "period": period,
        "periods": [(p, address(request, "services_list") + asked.to(bars=p)) for p in PERIODS],
        "states": ("", *STATES),
        "nodes": nodes,
        "tags": tags,
        "repos": site.settings.repos_dir,
    }
    context = await frame(request, "services_list", "health", "inventory", "incident", "ledger", **view)
    return site.renderer.page(request, "services.html", context)


async def handle_json(request: Request) -> Response:
    """GET /services.json."""
    asked, which, period = _asked(request)
    page = await site_of(request).insights.lists.services(which, period, asked.after)
    return json_page(asked, page, _item)


async def handle_csv(request: Request) -> Response:
    """GET /services.csv."""
    asked, which, period = _asked(request)
    lists = site_of(request).insights.lists

    async def read(after: str, limit: int) -> Page[ServiceCard]:
        return await lists.services(which, period, after, limit)

    return await csv_list(request, "services", COLUMNS, asked, read, _cells)


def _asked(request: Request) -> tuple[Asked, ServiceFilter, Period]:
    asked = asked_of(request, "state", "q", "node", "tag", "bars")
    state = one_of(asked, "state", STATES)
    period = PERIODS[one_of(asked, "bars", PERIODS) or DAY.name]
    which = ServiceFilter(
        statuses=STATES.get(state, ()),
        text=asked["q"],
        node=asked["node"],
        tag=asked["tag"],
        unstable_since=site_of(request).now() - timedelta(days=1) if state == "unstable" else None,
    )
    return asked, which, period


def _item(card: ServiceCard) -> dict[str, object]:
    bars = [
        {"at": b.at, "probes": b.total, "failed": b.failed, "failures": b.failures, "down_s": b.down_s}
        for b in card.bars.buckets
    ]
    row = {f.name: getattr(card.row, f.name) for f in fields(card.row)}
    more = dict(zip(COLUMNS, _cells(card), strict=True))
    slots = [s.model_dump(mode="json") for s in card.slots]
    return {
        **row,
        **more,
        "tags": list(card.tags),
        "slots": slots,
        "bars": {"period": card.bars.period.name, "buckets": bars},
    }


def _cells(card: ServiceCard) -> Iterable[object]:
    r, (middle, most) = card.row, card.latency or (None, None)
    return (
        r.id, r.node, r.name, r.kind, r.repository, list(card.tags), r.status, r.since, r.last_probe_at, r.summary, r.open_incident,
        card.bars.failures, round(card.bars.down_s), middle, most, card.maintenance_until, card.snoozed_until,
    )  # fmt: skip
