"""How numbers, times and states read on a page. The same rules as static/app.js, which keeps them fresh."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

MINUTE, HOUR, DAY = 60, 3600, 86_400


def duration(seconds: float) -> str:
    """A length of time in at most two units: `42 s`, `5 min`, `2 h 13 min`, `3 d 4 h`."""
    s = max(0, round(seconds))
    if s < MINUTE:
        return f"{s} s"
    if s < HOUR:
        minutes, rest = divmod(s, MINUTE)
        return f"{minutes} min" if minutes >= 10 or not rest else f"{minutes} min {rest} s"
    if s < DAY:
        hours, rest = divmod(s, HOUR)
        return f"{hours} h" if rest < MINUTE else f"{hours} h {rest // MINUTE} min"
    days, rest = divmod(s, DAY)
    return f"{days} d" if rest < HOUR else f"{days} d {rest // HOUR} h"


def relative(at: datetime, now: datetime) -> str:
    """`5 min ago`, `in 2 h 13 min`, `just now`."""
    delta = (at - now).total_seconds()
    if abs(delta) < 5:
        return "just now"
    if delta < 0:
        return f"{_coarse(-delta)} ago"
    return f"in {_coarse(delta)}"


def _coarse(seconds: float) -> str:
    if seconds < HOUR and seconds >= MINUTE:
        return f"{int(seconds // MINUTE)} min"
    return duration(seconds)


def absolute(at: datetime, zone: tzinfo) -> str:
    """`2026-11-21 09:08:01 UTC`."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def clock_time(at: datetime, zone: tzinfo) -> str:
    """`17:40`."""
    return at.astimezone(zone).strftime("%H:%M")


def zone_of(name: str) -> tzinfo:
    """The zone that pages show; UTC where the name is unknown here."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return UTC


def time_element(at: datetime | None, now: datetime, zone: tzinfo, mode: str = "relative") -> Markup:
    """A <time> element. `mode`: relative, clock (17:40), exact (17:40:12) or absolute. Nothing known gives a dash."""
    if at is None:
        return Markup('<span class="muted">never</span>')
    exact = at.astimezone(zone).strftime("%H:%M:%S")
    texts = {
        "relative": relative(at, now),
        "clock": clock_time(at, zone),
        "exact": exact,
        "absolute": absolute(at, zone),
    }
    iso = at.astimezone(UTC).isoformat(timespec="seconds")
    return Markup('<time datetime="{}" title="{}" data-mode="{}">{}</time>').format(
        iso, absolute(at, zone), mode, texts[mode]
    )


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 service`, `3 services`."""
    return f"{thousands(number)} {noun if number == 1 else plural or noun + 's'}"


def thousands(number: int) -> str:
    """`12,345`."""
    return f"{number:,}"


def money(usd: float) -> str:
    """`$0`, `$0.0042`, `$1.25`."""
    if usd == 0:
        return "$0"
    return f"${usd:.4f}" if usd < 0.01 else f"${usd:.2f}"


def words(state: str) -> str:
    """A state as people say it: `needs_person` is `needs a person`."""
    return _WORDS.get(state, state.replace("_", " "))


_WORDS = {
    "needs_person": "needs a person",
    "waiting": "waiting for approval",
    "self_healed": "healed itself",
    "watching": "fixed, watching",
    "dry_run": "dry run, not performed",
    "retry_later": "model busy",
    "unknown": "unknown",
    "maintenance": "in maintenance",
    "gone": "history gone",
}


def how(decided_how: str) -> str:
    """How somebody answered, as people say it."""
    return _HOW.get(decided_how, decided_how)


_HOW = {"web": "dashboard", "cli": "command line"}

# What a colour says. Never alone: each badge carries its word and a shape.
TONES = {
    **dict.fromkeys(
        ("up", "ok", "resolved", "done", "completed", "approved", "confirmed", "delivered", "self_healed", "reported"),
        "good",
    ),
    **dict.fromkeys(("down", "fail", "failed", "needs_person", "interrupted", "auth", "invalid"), "bad"),
    **dict.fromkeys(
        (
            "degraded",
            "warn",
            "error",
            "limit",
            "expired",
            "refused",
            "denied",
            "changed",
            "retry_later",
            "terminated",
            "timed_out",
        ),
        "warn",
    ),
    **dict.fromkeys(("waiting", "pending", "deferred"), "ask"),
    **dict.fromkeys(
        ("open", "running", "verifying", "watching", "performing", "permitted", "requested", "reserved"), "live"
    ),
}
MARKS = {"good": "✓", "bad": "✕", "warn": "!", "ask": "?", "live": "●", "plain": "○"}


def tone(state: str) -> str:
    """The colour of a state."""
    return TONES.get(state, "plain")


def mark(state: str) -> str:
    """The shape of a state."""
    return MARKS[tone(state)]


def badge(state: str, label: str = "") -> Markup:
    """A state with colour, shape and word."""
    tone = TONES.get(state, "plain")
    return Markup('<span class="badge {}"><span aria-hidden="true">{}</span> {}</span>').format(
        tone, MARKS[tone], label or words(state)
    )


def breakable(text: str) -> Markup:
    """Let a long identifier wrap at its separators."""
    return Markup("").join(
        Markup("{}<wbr>").format(part) if part.endswith(("/", ".", "_", "-")) else escape(part)
        for part in _pieces(text)
    )


def _pieces(text: str) -> list[str]:
    parts, begin = [], 0
    for i, ch in enumerate(text):
        if ch in "/._-":
            parts.append(text[begin : i + 1])
            begin = i + 1
    return [*parts, text[begin:]]
