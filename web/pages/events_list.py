"""Everything that happened, in the order of time and by kind; the same as JSON and as CSV."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from adapters.database.records import EventFilter, EventRow, Page
from web.formats import MARKS
from web.pages._common import frame
from web.pages._list import Asked, asked_of, csv_list, json_page, times_of, view_of
from web.pages.incident_show import tone as tone_of_entry
from web.site import site_of

# How the page calls each kind. What a history has besides the other kinds is about the incident itself.
KINDS = {
    "incident": "incidents",
    "session": "sessions",
    "action": "actions and refusals",
    "approval": "approvals",
    "notice": "notices",
    "note": "snooze, maintenance, resets",
    "patrol": "patrols",
    "probe": "failing probes",
}
USUAL = ("incident", "session", "action", "approval", "notice", "note")  # the others come every few minutes
ENTRIES = {
    **dict.fromkeys(("tier_started", "tier_ended", "session_failed", "model_busy", "gone"), "session"),
    **dict.fromkeys(("action", "refused"), "action"),
    "approval": "approval",
}
COLUMNS = ("at", "kind", "what", "text", "service", "incident", "good")


async def handle(request: Request) -> Response:
    """GET /events."""
    site = site_of(request)
    lists = site.insights.lists
    asked, which = await _asked(request)
    page = await lists.events(which, asked.after)
    view: dict[str, Any] = {
        **view_of(request, "events", asked, page),
        "kinds": KINDS,
        "chosen": _kinds(asked),
        "kind_of": kind_of,
        "tone_of": tone_of,
        "mark_of": mark_of,
        "oldest": await lists.oldest_event(which),
        "kept_days": site.settings.retention_days,
    }
    context = await frame(request, "events_list", "incident", "health", "notice", "ledger", **view)
    return site.renderer.page(request, "events.html", context)


async def handle_json(request: Request) -> Response:
    """GET /events.json."""
    asked, which = await _asked(request)
    lists = site_of(request).insights.lists
    oldest = await lists.oldest_event(which)
    return json_page(asked, await lists.events(which, asked.after), _item, oldest=oldest)


async def handle_csv(request: Request) -> Response:
    """GET /events.csv."""
    asked, which = await _asked(request)
    lists = site_of(request).insights.lists

    async def read(after: str, limit: int) -> Page[EventRow]:
        return await lists.events(which, after, limit)

    return await csv_list(request, "events", COLUMNS, asked, read, lambda row: (_item(row)[c] for c in COLUMNS))


def kind_of(row: EventRow) -> str:
    """Which box of the filter it belongs to."""
    return ENTRIES.get(row.kind, "incident") if row.source == "timeline" else row.source


def tone_of(row: EventRow) -> str:
    """Its colour."""
    if row.source == "timeline":
        return tone_of_entry(row.kind)
    return "plain" if row.good is None else "good" if row.good else "warn" if row.kind in {"warn", "error"} else "bad"


def mark_of(row: EventRow) -> str:
    """Its shape."""
    return MARKS[tone_of(row)]


def _kinds(asked: Asked) -> Sequence[str]:
    wanted = [kind for kind in asked.all("kind") if kind in KINDS]
    return wanted or USUAL


async def _asked(request: Request) -> tuple[Asked, EventFilter]:
    asked = asked_of(request, "kind", "service", "since", "until")
    kinds = _kinds(asked)
    since, until = times_of(request, asked)
    words = await site_of(request).insights.lists.timeline_words()
    which = EventFilter(
        timeline=tuple(word for word in words if ENTRIES.get(word, "incident") in kinds),
        notices="notice" in kinds,
        patrols="patrol" in kinds,
        probes="probe" in kinds,
        notes="note" in kinds,
        service=asked["service"],
        since=since,
        until=until,
    )
    return asked, which


_FIELDS = tuple(f.name for f in fields(EventRow))  # all of them immutable: asdict would copy each, for half the time


def _item(row: EventRow) -> dict[str, object]:
    return {**{name: getattr(row, name) for name in _FIELDS}, "kind": kind_of(row), "what": row.kind}
