"""What is left of a day's and a month's money, what a session would cost, and the pause."""

from typing import Annotated, Literal

from fastapi import Form
from fastapi.encoders import jsonable_encoder
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from web.pages._common import acted, address, csv_rows, frame
from web.site import actor_of, site_of

COLUMNS = ("window", "begins", "ends", "spent_usd", "reserved_usd", "limit_usd", "left_usd")


async def handle(request: Request) -> Response:
    """GET /budgets."""
    view = await site_of(request).budgets.read()
    context = await frame(request, "budgets_show", "budget", "session", view=view)
    return site_of(request).renderer.page(request, "budgets.html", context)


async def handle_json(request: Request) -> Response:
    """GET /budgets.json."""
    view = await site_of(request).budgets.read()
    return JSONResponse(jsonable_encoder(view), headers={"cache-control": "no-store"})


async def handle_csv(request: Request) -> Response:
    """GET /budgets.csv: one row per window."""
    view = await site_of(request).budgets.read()
    rows = (
        (w.window.kind, w.window.since, w.window.until, w.spent_usd, w.reserved_usd, w.limit_usd, w.left_usd)
        for w in view.windows
    )
    return csv_rows("tiercel-budgets.csv", COLUMNS, rows)


async def handle_act(
    request: Request, act: Literal["pause", "resume"], reason: Annotated[str, Form(max_length=500)] = ""
) -> Response:
    """POST /budgets/{act}."""
    budgets, actor = site_of(request).budgets, actor_of(request)
    done = await (budgets.pause(reason, actor) if act == "pause" else budgets.resume(reason, actor))
    return acted(request, done, address(request, "budgets_show"))
