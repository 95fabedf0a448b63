"""What sessions and people found worth keeping, last seen first; the same as JSON and as CSV."""

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from adapters.database.memories import MemoryFilter
from adapters.database.records import Page
from domain.memory import MemoryCategory, Recalled
from web.pages._common import frame
from web.pages._list import Asked, asked_of, csv_list, json_page, one_of, view_of
from web.site import site_of

GENERAL = "general"
CATEGORIES = tuple(str(c) for c in MemoryCategory)
SURE = (("", "any"), ("0.25", "25 % or more"), ("0.5", "50 % or more"), ("0.75", "75 % or more"))
STATES = (("", "kept"), ("pinned", "pinned"), ("forgotten", "forgotten"))
MEANINGS = {
    "timing": "timing: when something happens by itself",
    "dependency": "dependency: what needs what",
    "behaviour": "behaviour: what looks wrong and is usual here",
    "remedy": "remedy: what helped, and what did not",
    "place": "place: where files, settings and logs are",
}
COLUMNS = (
    "id", "service", "category", "text", "confidence", "times", "pinned", "session", "incident", "author", "created_at",
    "seen_at", "forgotten_at", "forgotten_by",
)  # fmt: skip


async def handle(request: Request) -> Response:
    """GET /memories."""
    site = site_of(request)
    asked, which = await _asked(request)
    page = await site.memories.list(which, asked.after)
    services = await site.memories.services()
    view: dict[str, Any] = {
        **view_of(request, "memories", asked, page),
        "services": (("", "any"), (GENERAL, "all services"), *((s, s) for s in _with(services, asked["service"]))),
        "declared": await site.insights.service_names(),
        "categories": CATEGORIES,
        "meanings": MEANINGS,
        "sure": SURE,
        "states": STATES,
        "rule": site.memories.rule,
    }
    return site.renderer.page(request, "memories.html", await frame(request, "memories_list", "memory", **view))


async def handle_json(request: Request) -> Response:
    """GET /memories.json."""
    asked, which = await _asked(request)
    return json_page(asked, await site_of(request).memories.list(which, asked.after), as_item)


async def handle_csv(request: Request) -> Response:
    """GET /memories.csv."""
    asked, which = await _asked(request)
    memories = site_of(request).memories

    async def read(after: str, limit: int) -> Page[Recalled]:
        return await memories.list(which, after, limit)

    return await csv_list(request, "memories", COLUMNS, asked, read, _cells)


def as_item(one: Recalled) -> dict[str, object]:
    """One memory, with the confidence of now."""
    return dict(zip(COLUMNS, _cells(one), strict=True))


def _with(services: tuple[str, ...], chosen: str) -> tuple[str, ...]:
    return services if chosen in {"", GENERAL, *services} else (*services, chosen)


def _cells(one: Recalled) -> Iterable[object]:
    m = one.memory
    return (
        m.id, m.service, m.category, m.text, round(one.confidence, 4), m.times, m.pinned, m.session, m.incident, m.author,
        m.created_at, m.seen_at, m.forgotten_at, m.forgotten_by,
    )  # fmt: skip


async def _asked(request: Request) -> tuple[Asked, MemoryFilter]:
    asked = asked_of(request, "q", "service", "category", "confidence", "state")
    state = one_of(asked, "state", (value for value, _ in STATES))
    least = one_of(asked, "confidence", (value for value, _ in SURE))
    service: str | None = None
    if asked["service"] == GENERAL:
        service = ""
    elif asked["service"]:
        service = await site_of(request).insights.resolve(asked["service"]) or asked["service"].casefold()
    return asked, MemoryFilter(
        service=service,
        category=one_of(asked, "category", CATEGORIES),
        text=asked["q"].lower(),
        least=float(least) if least else None,
        pinned=state == "pinned",
        forgotten=state == "forgotten",
    )
