"""Who did what, newest first, with its filters in the address; the same as JSON and as CSV."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from fastapi.encoders import jsonable_encoder
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from adapters.database.records import AuditRow, Page
from web.pages._common import EXPORT, csv_file, frame
from web.site import site_of

COLUMNS = ("id", "at", "actor_kind", "actor", "action", "target", "detail")


@dataclass(frozen=True)
class Asked:
    """The query string."""

    target: str = ""
    actor: str = ""
    after: str = ""

    @property
    def any(self) -> bool:
        """Whether something is left out on purpose."""
        return bool(self.target or self.actor)

    @property
    def query(self) -> str:
        """As an address has it."""
        pairs = [(k, v) for k, v in (("target", self.target), ("actor", self.actor), ("after", self.after)) if v]
        return "?" + urlencode(pairs) if pairs else ""


async def handle(request: Request) -> Response:
    """GET /audit."""
    asked = await _asked(request)
    page = await site_of(request).insights.audit(asked.target, asked.actor, asked.after)

    def query_of(**changes: str) -> str:
        return replace(asked, after="", **changes).query

    view: dict[str, Any] = {
        "view": page,
        "filter": asked,
        "filter_query": asked.query,
        "first_query": replace(asked, after="").query,
        "next_query": replace(asked, after=page.next).query,
        "query_of": query_of,
        "detail_text": detail_text,
    }
    context = await frame(request, "audit_list", "incident", "action", "ledger", **view)
    return site_of(request).renderer.page(request, "audit.html", context)


async def handle_json(request: Request) -> Response:
    """GET /audit.json: one page, and the address of the next one."""
    asked = await _asked(request)
    page = await site_of(request).insights.audit(asked.target, asked.actor, asked.after)
    body: dict[str, Any] = {
        "items": jsonable_encoder(page.rows),
        "next": replace(asked, after=page.next).query if page.next else "",
    }
    return JSONResponse(body, headers={"cache-control": "no-store"})


async def handle_csv(request: Request) -> Response:
    """GET /audit.csv: every entry that the filter lets through."""
    asked = await _asked(request)
    insights = site_of(request).insights

    async def read(after: str) -> Page[AuditRow]:
        return await insights.audit(asked.target, asked.actor, after, EXPORT)

    return await csv_file(request, "tiercel-audit.csv", COLUMNS, read, _cells, asked.after)


def detail_text(detail: dict[str, object]) -> str:
    """What else was written, one `name: value` per line."""
    return "\n".join(
        f"{k}: {v if isinstance(v, str) else json.dumps(v, ensure_ascii=False)}" for k, v in detail.items()
    )


def _cells(row: AuditRow) -> Iterable[object]:
    detail = json.dumps(row.detail, ensure_ascii=False) if row.detail else ""
    return (row.id, row.at, row.actor_kind, row.actor, row.action, row.target, detail)


async def _asked(request: Request) -> Asked:
    asked = Asked(*(request.query_params.get(name, "").strip() for name in ("target", "actor", "after")))
    known = await site_of(request).insights.resolve(asked.target) if asked.target else None
    return replace(asked, target=known) if known else asked
