"""Small things that several handlers share: the page's frame, service addresses, answers to acts."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

from fastapi.encoders import jsonable_encoder
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from adapters.database.records import Page
from web import csv_text
from web.addresses import path_to
from web.errors import PageError
from web.preferences import export_zone
from web.security import safe_path
from web.services.actions import Act
from web.site import site_of

T = TypeVar("T")
EXPORT = 500  # rows per read of a download
ALWAYS = ("approval",)  # topics that every page listens to: the number in the navigation


async def frame(request: Request, section: str, *topics: str, **context: Any) -> dict[str, Any]:
    """What every page needs besides its own view."""
    return {
        "section": section,
        "topics": ",".join(dict.fromkeys((*topics, *ALWAYS))),
        "waiting": await site_of(request).insights.waiting(),
        "service_url": service_url(request),
        "note_url": note_url(request),
        **context,
    }


def address(request: Request, name: str, /, **params: Any) -> str:
    """The path of a page, with the prefix of a proxy."""
    return path_to(request, name, **params)


def safe_back(request: Request, back: str) -> str:
    """Where a form came from, as long as that is on this site; otherwise the overview."""
    return safe_path(back, str(request.scope.get("root_path", "")), address(request, "overview_show"))


def service_url(request: Request) -> Callable[[str], str]:
    """The page of a canonical service id."""

    def url(service: str) -> str:
        node, _, name = service.partition("/")
        return address(request, "service_show", node=node, name=name)

    return url


def note_url(request: Request) -> Callable[[str, str], str]:
    """Where snooze, maintenance and reset of a service are posted."""

    def url(service: str, kind: str) -> str:
        node, _, name = service.partition("/")
        return address(request, "service_note", node=node, name=name, kind=kind)

    return url


def acted(request: Request, act: Act, back: str, *, leave: bool = False) -> Response:
    """What the person is told. htmx gets a sentence (or a new page with `leave`), a plain form goes `back`."""
    if not act.accepted:
        raise PageError(
            409, act.message, f"See {address(request, 'incident_show', incident=act.incident)}" if act.incident else ""
        )
    if request.headers.get("hx-request") != "true":
        return RedirectResponse(back, status_code=303)
    if leave:
        return HTMLResponse("", headers={"HX-Redirect": back})
    html = site_of(request).renderer.fragment(request, "said.html", {"tone": "good", "text": act.message, "link": ""})
    return HTMLResponse(html, headers={"cache-control": "no-store"})


async def csv_file(
    request: Request,
    name: str,
    head: Iterable[str],
    read: Callable[[str], Awaitable[Page[T]]],
    cells: Callable[[T], Iterable[object]],
    after: str,
) -> Response:
    """All rows from `after` on as a download, read page by page. The first page comes before the status is sent."""
    first = await read(after)
    zone = export_zone(request, site_of(request).renderer.zone)

    async def rows() -> AsyncIterator[str]:
        page = first
        yield csv_text.lines([head, *(cells(row) for row in page.rows)], zone)
        while page.next:
            page = await read(page.next)
            yield csv_text.lines((cells(row) for row in page.rows), zone)

    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return StreamingResponse(rows(), media_type="text/csv; charset=utf-8; header=present", headers=headers)


def csv_rows(name: str, head: Iterable[str], rows: Iterable[Iterable[object]]) -> Response:
    """A short list as a download, in one piece."""
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(
        csv_text.lines([head, *rows]), media_type="text/csv; charset=utf-8; header=present", headers=headers
    )


def cells_of(columns: Iterable[str], rows: Iterable[object]) -> Iterable[list[object]]:
    """The named attributes of each row."""
    names = tuple(columns)
    return ([getattr(row, name) for name in names] for row in rows)


def short_json(columns: Iterable[str], rows: Iterable[object]) -> Response:
    """A short list in one piece, only with the named attributes of each row."""
    names = tuple(columns)
    return json_file({"items": [dict(zip(names, cells, strict=True)) for cells in cells_of(names, rows)]})


def json_file(body: Mapping[str, object]) -> Response:
    """As JSON. Only what JSON has no form for goes to the slow encoder."""
    text = json.dumps(body, default=jsonable_encoder, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text, media_type="application/json", headers={"cache-control": "no-store"})
