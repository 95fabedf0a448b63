"""Who did what, newest first, with its filters in the address; the same as JSON, as lines of JSON, and as CSV."""

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

from fastapi.encoders import jsonable_encoder
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from adapters.database.records import AuditFilter, AuditRow, Page
from web.pages._common import EXPORT, frame
from web.pages._list import Asked, asked_of, csv_list, every, json_page, times_of, view_of
from web.site import site_of

COLUMNS = ("id", "at", "actor_kind", "actor", "action", "target", "detail")
KINDS = ("user", "key", "link", "session", "system", "cli", "web")


async def handle(request: Request) -> Response:
    """GET /audit."""
    site = site_of(request)
    asked, which = await _asked(request)
    page = await site.insights.lists.audit(which, asked.after)
    view: dict[str, Any] = {
        **view_of(request, "audit", asked, page),
        "kinds": KINDS,
        "actions": await site.insights.lists.audit_words(),
        "oldest": await site.insights.lists.audit_oldest(),
        "kept_days": site.settings.retention_days,
        "detail_text": detail_text,
    }
    context = await frame(request, "audit_list", "incident", "action", "ledger", **view)
    return site.renderer.page(request, "audit.html", context)


async def handle_json(request: Request) -> Response:
    """GET /audit.json: one page, and the address of the next one."""
    asked, which = await _asked(request)
    return json_page(asked, await site_of(request).insights.lists.audit(which, asked.after))


async def handle_csv(request: Request) -> Response:
    """GET /audit.csv: every entry that the filter lets through."""
    asked, which = await _asked(request)
    lists = site_of(request).insights.lists

    async def read(after: str, limit: int) -> Page[AuditRow]:
        return await lists.audit(which, after, limit)

    return await csv_list(request, "audit", COLUMNS, asked, read, _cells)


async def handle_lines(request: Request) -> Response:
    """GET /audit.jsonl: every entry that the filter lets through, one JSON object per line."""
    asked, which = await _asked(request)
    lists = site_of(request).insights.lists

    async def read(after: str, limit: int) -> Page[AuditRow]:
        return await lists.audit(which, after, limit)

    first = await read(asked.after, EXPORT)  # before the status is sent: a fault is told as one

    async def rows() -> AsyncIterator[str]:
        async for row in every(first, read):
            yield json.dumps(jsonable_encoder(row), ensure_ascii=False) + "\n"

    headers = {"content-disposition": 'attachment; filename="tiercel-audit.jsonl"', "cache-control": "no-store"}
    return StreamingResponse(rows(), media_type="application/jsonl; charset=utf-8", headers=headers)


def detail_text(detail: dict[str, object]) -> str:
    """What else was written, one `name: value` per line."""
    return "\n".join(
        f"{k}: {v if isinstance(v, str) else json.dumps(v, ensure_ascii=False)}" for k, v in detail.items()
    )


def _cells(row: AuditRow) -> Iterable[object]:
    detail = json.dumps(row.detail, ensure_ascii=False) if row.detail else ""
    return (row.id, row.at, row.actor_kind, row.actor, row.action, row.target, detail)


async def _asked(request: Request) -> tuple[Asked, AuditFilter]:
    asked = asked_of(request, "target", "actor", "actor_kind", "action", "since", "until")
    since, until = times_of(request, asked)
    known = await site_of(request).insights.resolve(asked["target"]) if asked["target"] else None
    return asked, AuditFilter(
        target=known or asked["target"],
        actor=asked["actor"],
        actor_kind=asked["actor_kind"],
        action=asked["action"],
        since=since,
        until=until,
    )
