"""What the pane of a log shows: its newest lines, lines around a linked one, or those that match a filter."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from web.live.cursor import LogKey
from web.logview import rows_html
from web.logwords import KINDS, LogFilter
from web.pages._common import address
from web.services import log_search
from web.site import Site
from web.viewmodels import LogWindow, SessionView

FIND_LENGTH = 200


@dataclass(frozen=True)
class Asked:
    """Which part of a log the address asks for."""

    wanted: LogFilter
    line: int

    @property
    def query(self) -> str:
        """The filter as an address has it, "" without one."""
        pairs = [(k, v) for k, v in (("find", self.wanted.find), ("kind", self.wanted.kind)) if v]
        return urlencode(pairs)


def asked_of(request: Request) -> Asked:
    """Read the query string. A kind that does not exist is no filter: the page offers only those that do."""
    query = request.query_params
    kind, line = query.get("kind", ""), query.get("line", "")
    wanted = LogFilter(query.get("find", "").strip()[:FIND_LENGTH], kind if kind in KINDS else "")
    return Asked(wanted, int(line) if line.isdecimal() and len(line) < 16 else 0)


def reader(site: Site, session: str, attempt: int) -> log_search.ReadLines:
    """Reads one log for a search."""
    return lambda after, limit: site.insights.lines_after(session, attempt, after, limit)


async def log_context(request: Request, site: Site, shown: SessionView) -> dict[str, Any]:
    """The pane. A refresh sends it empty: the browser keeps the pane it has, or fills a new one from the stream."""
    session, attempt = shown.row.id, shown.row.attempt
    asked = asked_of(request)
    refresh = request.headers.get("hx-request") == "true"
    if refresh:
        window, searched = LogWindow(session, attempt, (), 0), 0
    elif asked.wanted:
        newest = await site.insights.last_line(session, attempt)
        found = await log_search.backward(reader(site, session, attempt), asked.wanted, newest + 1)
        window, searched = LogWindow(session, attempt, found.lines, newest, found.first, found.last), found.searched
    elif asked.line:
        window, searched = await site.insights.around(session, attempt, asked.line), 0
    else:
        window, searched = await site.insights.tail(session, attempt), 0
    later = max(0, window.newest - window.last)
    return {
        "id": f"log-{session}-{attempt}",
        "key": shown.key,
        "live": later == 0,
        "first": window.first,
        "last": window.last,
        "later": later,
        "searched": searched,
        "matching": len(window.lines),
        "newest": window.newest,
        # Lines that were written once and are not stored any more; a refresh looks at nothing and so knows nothing.
        "removed": shown.row.lines if not refresh and not window.newest else 0,
        "filter": asked.wanted,
        "query": asked.query,
        "kinds": KINDS,
        "rows": rows_html(site.renderer, request, LogKey(session, attempt), window.lines),
        "lines_url": address(request, "session_lines", session=session, attempt=attempt),
    }
