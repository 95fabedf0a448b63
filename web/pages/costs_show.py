"""What a month cost, against its limits; the same as JSON and as CSV."""

import re
from collections.abc import Iterable
from datetime import date
from functools import partial
from typing import Any

from fastapi.encoders import jsonable_encoder
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from adapters.database.records import CostCell
from web.cost_chart import SPLIT_WORDS, cost_chart, part_words
from web.errors import PageError
from web.pages._common import csv_rows, frame
from web.services.costs import SPLITS, Costs
from web.site import site_of

COLUMNS = ("day", "part", "calls", "scripted_calls", "tokens", "cost_usd")
_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")


async def handle(request: Request) -> Response:
    """GET /costs?by=tier|service|trigger&month=2026-11."""
    costs = await _read(request)
    view: dict[str, Any] = {
        "view": costs,
        "chart": cost_chart(costs),
        "splits": SPLIT_WORDS,
        "part_words": partial(part_words, costs.by),
        "days": list(reversed(costs.by_day().items())),
        "query": f"?by={costs.by}&month={costs.month:%Y-%m}",
    }
    context = await frame(request, "costs_show", "session", "incident", **view)
    return site_of(request).renderer.page(request, "costs.html", context)


async def handle_json(request: Request) -> Response:
    """GET /costs.json."""
    costs = await _read(request)
    return JSONResponse(jsonable_encoder(costs), headers={"cache-control": "no-store"})


async def handle_csv(request: Request) -> Response:
    """GET /costs.csv: one row per day and part."""
    costs = await _read(request)
    return csv_rows(f"tiercel-costs-{costs.month:%Y-%m}.csv", COLUMNS, map(_cells, costs.cells))


async def _read(request: Request) -> Costs:
    by = request.query_params.get("by") or "tier"
    if by not in SPLITS:
        raise PageError(422, f"Costs cannot be split by {by[:40]}.", f"One of: {', '.join(SPLITS)}.")
    views = site_of(request).costs
    asked = request.query_params.get("month", "")
    if not asked:
        return await views.month(views.this_month, by)
    found = _MONTH.fullmatch(asked)
    if found is None:
        raise PageError(422, f"{asked[:40]} is no month.", "Write it as 2026-11.")
    return await views.month(date(int(found[1]), int(found[2]), 1), by)


def _cells(cell: CostCell) -> Iterable[object]:
    return (cell.day, cell.part, cell.calls, cell.scripted_calls, cell.tokens, f"{cell.cost_usd:.6f}")
