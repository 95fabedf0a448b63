"""One line of a session's output as people read it. What a session wrote is hostile text, shown as text."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from markupsafe import Markup, escape
from starlette.requests import Request

from domain.session import OutputLine
from web import ansi
from web.addresses import path_to
from web.live.cursor import LogKey
from web.logwords import words
from web.preferences import preferences_of
from web.rendering import Renderer

LABEL = 100  # characters of who says it: a session chooses the names of its tools
SHOWN = 4_000  # characters of one line that a page shows; the rest is one click away


@dataclass(frozen=True)
class LogRow:
    """One numbered row. `kind` chooses its look: say, think, tool, result, error, note, end, raw."""

    seq: int
    at: datetime
    kind: str
    label: str
    html: Markup
    cut: int  # characters that are not shown


def row(line: OutputLine) -> LogRow:
    """The row of one stored line: the CLI's JSON in words, anything else as it is."""
    kind, label, text = words(line)
    shown = text[:SHOWN]
    return LogRow(
        seq=line.seq,
        at=line.at,
        kind=kind,
        label=ansi.clean(label)[:LABEL],
        html=ansi.to_html(shown),
        cut=len(text) - len(shown),
    )


def plain(line: OutputLine, zone: tzinfo = UTC) -> str:
    """The row as one paragraph of plain text, for the .txt form."""
    kind, label, text = words(line)
    stamp = line.at.astimezone(zone).strftime("%H:%M:%S")
    body = ansi.clean(text).replace("\n", "\n    ")
    return f"{line.seq}\t{stamp}\t{label or kind}\t{body}"


def rows_html(renderer: Renderer, request: Request, key: LogKey, lines: Sequence[OutputLine]) -> Markup:
    """Rows as a page shows them. Everything in them was escaped on the way."""
    text_url = path_to(request, "session_text", session=key.session, attempt=key.attempt)
    zone = preferences_of(request).time_zone(renderer.zone)
    place = Place(f"?log={escape(key)}&amp;line=", str(escape(text_url)), zone)
    return Markup("".join([_item(row(line), place) for line in lines]))  # noqa: S704 - every part is escaped


@dataclass(frozen=True)
class Place:
    """What all rows of one log have in common, escaped: the beginning of a line's link, the log as text, the zone."""

    line_url: str
    text_url: str
    zone: tzinfo


def _item(r: LogRow, place: Place) -> str:
    """One row. Four hundred of them are one answer: a template took four times as long, half the time of a page."""
    seq, at = r.seq, r.at.isoformat(timespec="milliseconds")
    cut = f' <a class="cut" href="{place.text_url}?line={seq}">… {r.cut:,} more characters</a>' if r.cut else ""
    return (
        f'<li id="L{seq}" class="k-{r.kind}"><a href="{place.line_url}{seq}#L{seq}" title="{at}">{seq}</a>'
        f'<time class="at" datetime="{at}">{r.at.astimezone(place.zone):%H:%M:%S}</time>'
        f'<span class="who">{escape(r.label)}</span><span class="txt">{r.html}{cut}</span></li>\n'
    )
