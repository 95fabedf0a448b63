"""Every setting as it is in effect, and a test for everything outside; the same as JSON, CSV and variables."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from fastapi.encoders import jsonable_encoder
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from config.effective import DEFAULT, Shown, as_variables, effective
from web.pages._common import csv_rows, frame
from web.services.examinations import PARTS
from web.site import site_of

COLUMNS = ("variable", "group", "value", "default", "source", "hidden", "meaning")
SOURCES = {
    "default": "default",
    "environment": "environment",
    "file": "a file",
    "up": "`tiercel up` itself",
}
_NO_STORE = {"cache-control": "no-store"}


async def handle(request: Request) -> Response:
    """GET /settings."""
    site = site_of(request)
    text, changed = _asked(request)
    rows = _rows(request, text, changed=changed)
    context = await frame(
        request,
        "settings_show",
        live=False,
        groups=[(group, tuple(of)) for group, of in groupby(rows, key=lambda row: row.group)],
        text=text,
        changed=changed,
        query=f"?{request.url.query}" if request.url.query else "",
        parts=PARTS,
        newest=site.examinations.newest,
        source_words=SOURCES,
    )
    return site.renderer.page(request, "settings.html", context)


async def handle_json(request: Request) -> Response:
    """GET /settings.json: the settings, and what the newest tests found."""
    text, changed = _asked(request)
    newest = site_of(request).examinations.newest
    body: dict[str, Any] = {
        "items": [asdict(row) for row in _rows(request, text, changed=changed)],
        "tests": {name: {**asdict(tested), "level": tested.level} for name, tested in newest.items()},
    }
    return JSONResponse(jsonable_encoder(body), headers=_NO_STORE)


async def handle_csv(request: Request) -> Response:
    """GET /settings.csv."""
    text, changed = _asked(request)
    return csv_rows("tiercel-settings.csv", COLUMNS, map(_cells, _rows(request, text, changed=changed)))


async def handle_env(request: Request) -> Response:
    """GET /settings.env: a file of variables, without secrets."""
    headers = {**_NO_STORE, "content-disposition": 'attachment; filename="tiercel-settings.env"'}
    return PlainTextResponse(as_variables(tuple(_rows(request, "", changed=False))), headers=headers)


def _asked(request: Request) -> tuple[str, bool]:
    return request.query_params.get("text", "").strip(), request.query_params.get("changed") == "yes"


def _rows(request: Request, text: str, *, changed: bool) -> Sequence[Shown]:
    wanted = text.casefold()
    rows = effective(site_of(request).settings, os.environ, whole=False)
    return [
        row
        for row in rows
        if (not changed or row.source != DEFAULT)
        and (not wanted or wanted in f"{row.variable} {row.meaning}".casefold())
    ]


def _cells(row: Shown) -> Iterable[object]:
    return (row.variable, row.group, row.value, row.default, row.source, row.hidden, row.meaning)
