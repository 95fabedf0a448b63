"""The one stream of a browser: changes of its topics and the lines of the logs that it shows."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from domain.session import OutputLine
from web.access import leave_of
from web.live import cursor
from web.live.cursor import LogKey
from web.live.response import EventStream
from web.live.stream import events
from web.logview import rows_html
from web.preferences import preferences_of
from web.site import site_of

MAX_TOPICS = 64


async def handle(request: Request, topics: str = "", after: str = "") -> Response:
    """GET /stream?topics=incident,approval&after=<session>:<attempt>:<seq>."""
    site = site_of(request)
    wanted = frozenset(t.strip() for t in topics[:4096].split(",")[:MAX_TOPICS] if t.strip())
    places = cursor.parse(after)
    seen = cursor.parse(request.headers.get("last-event-id", ""))
    places.update({key: seq for key, seq in seen.items() if key in places})

    def render(key: LogKey, lines: Sequence[OutputLine]) -> str:
        return rows_html(site.renderer, request, key, lines)

    zone = str(preferences_of(request).time_zone(site.renderer.zone))
    return EventStream(events(site.hub, wanted, places, render, zone, leave_of(request)))
