"""What every list shares: its filters in the address, and one page of it as HTML, JSON or CSV by the same address."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from adapters.database.records import Page
from web.errors import PageError
from web.pages._common import EXPORT, address, csv_file, json_file
from web.preferences import preferences_of
from web.site import site_of

T = TypeVar("T")
SHORT = 200  # characters of one filter
LOOKS = ("bars",)  # choose how rows look, and leave none out
MANY = 20  # values of one filter
_BACK = re.compile(r"(\d{1,4})([hd])")
TIMES = (
    ("", "any time"),
    ("1h", "the last hour"),
    ("24h", "the last day"),
    ("7d", "the last 7 days"),
    ("30d", "the last 30 days"),
)


@dataclass(frozen=True)
class Asked:
    """The filters of an address that are set, in the order of the form, and behind which position its page begins."""

    pairs: tuple[tuple[str, str], ...] = ()
    after: str = ""

    def __getitem__(self, name: str) -> str:
        return next((value for key, value in self.pairs if key == name), "")

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a filter that may be given several times."""
        return tuple(value for key, value in self.pairs if key == name)

    @property
    def any(self) -> bool:
        """Whether something is left out on purpose."""
        return any(key not in LOOKS for key, _ in self.pairs)

    @property
    def query(self) -> str:
        """As an address has it."""
        pairs = [*self.pairs, *([("after", self.after)] if self.after else [])]
        return "?" + urlencode(pairs) if pairs else ""

    def to(self, after: str = "", **changes: str) -> str:
        """The address of another page, or of another filter from its beginning."""
        kept = tuple((k, v) for k, v in self.pairs if k not in changes)
        return replace(self, pairs=(*kept, *((k, v) for k, v in changes.items() if v)), after=after).query


def asked_of(request: Request, *names: str) -> Asked:
    """Read the query string. What is no filter of this list is left out."""
    pairs: list[tuple[str, str]] = []
    for name in names:
        given = (value.strip()[:SHORT] for value in request.query_params.getlist(name)[:MANY])
        pairs += [(name, value) for value in dict.fromkeys(given) if value]
    return Asked(tuple(pairs), request.query_params.get("after", ""))


def one_of(asked: Asked, name: str, known: Iterable[str]) -> str:
    """A filter that has only some values. Raises PageError 422 for another one."""
    value = asked[name]
    if value and value not in known:
        raise PageError(422, f"There is no such {name.replace('_', ' ')}.", "Choose one from the list on the page.")
    return value


def times_of(request: Request, asked: Asked) -> tuple[datetime | None, datetime | None]:
    """(since, until): `7d` back from now, or a time; one without an offset is in the zone that pages show."""
    site = site_of(request)
    zone = preferences_of(request).time_zone(site.renderer.zone)
    return _instant(asked["since"], site.now(), zone), _instant(asked["until"], site.now(), zone)


def _instant(text: str, now: datetime, zone: tzinfo) -> datetime | None:
    if not text:
        return None
    if back := _BACK.fullmatch(text):
        return now - timedelta(hours=int(back[1])) * (24 if back[2] == "d" else 1)
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as e:
        raise PageError(422, "This is no time.", "Write 24h, 7d, or a time like 2026-11-21T10:00.") from e


def view_of(request: Request, name: str, asked: Asked, page: Page[Any]) -> dict[str, Any]:
    """What the template of a list needs besides its own: rows, filters, and the addresses around this page."""
    since = asked["since"]
    return {
        "view": page,
        "filter": asked,
        "base": address(request, f"{name}_list"),
        "first_query": asked.to(),
        "next_query": asked.to(after=page.next) if page.next else "",
        "times": TIMES if since in {value for value, _ in TIMES} else (*TIMES, (since, f"since {since}")),
    }


def json_page(asked: Asked, page: Page[T], item: Callable[[T], object] = lambda row: row, **more: object) -> Response:
    """One page, and the query of the next one."""
    body: Mapping[str, object] = {
        "items": [item(row) for row in page.rows],
        "next": asked.to(after=page.next) if page.next else "",
        **more,
    }
    return json_file(body)


async def csv_list(
    request: Request,
    name: str,
    columns: Iterable[str],
    asked: Asked,
    read: Callable[[str, int], Awaitable[Page[T]]],
    cells: Callable[[T], Iterable[object]],
) -> Response:
    """Every row that the filter lets through, from the position on."""
    return await csv_file(
        request, f"tiercel-{name}.csv", columns, lambda after: read(after, EXPORT), cells, asked.after
    )


async def every(first: Page[T], read: Callable[[str, int], Awaitable[Page[T]]]) -> AsyncIterator[T]:
    """The rows of a page and of all behind it, read page by page."""
    page = first
    for row in page.rows:
        yield row
    while page.next:
        page = await read(page.next, EXPORT)
        for row in page.rows:
            yield row
