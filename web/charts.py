"""The tier timeline as numbers for an SVG: one lane per tier, bars for sessions, marks for what happened."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from domain.action import Action
from domain.incident import Approval
from web.formats import TONES, duration, words
from web.viewmodels import IncidentView

LANE, TOP = 34.0, 8.0  # pixels; across, everything is in percent of a width that only the browser knows
LANES = {0: "incident", 1: "tier 1", 2: "tier 2", 3: "tier 3"}
_SMALLEST = 0.6  # a second of an hour is still seen
_TAIL = 1.35  # an incident that stays open for longer than this times its work is cut at the right edge
_WORK = frozenset({"verified", "not_verified", "joined"})

Scale = Callable[[datetime], float]  # a time to its place on the axis


@dataclass(frozen=True)
class Bar:
    """One session, or the incident itself."""

    lane: int
    x: float
    y: float
    width: float
    tone: str
    label: str
    href: str = ""


@dataclass(frozen=True)
class Mark:
    """One moment: an action, a refusal, an approval."""

    x: float
    y: float
    tone: str
    label: str


@dataclass(frozen=True)
class Tick:
    """A time on the axis."""

    x: float
    text: str


@dataclass(frozen=True)
class TierChart:
    """Everything the template draws: x and width in percent, y and height in pixels.

    Every bar and mark is also a row of the table below it.
    """

    height: float
    lanes: tuple[tuple[str, float], ...]
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]


def tier_chart(detail: IncidentView, now: datetime) -> TierChart:
    """Work out the chart of one incident."""
    begin = detail.row.opened_at
    end = max([detail.row.closed_at or now, *(s.row.ended_at or now for s in detail.sessions)])
    whole = max((end - begin).total_seconds(), 1.0)
    span = min(whole, _busy_s(detail, now) * _TAIL)

    def x(at: datetime) -> float:
        return round(100 * min(max((at - begin).total_seconds() / span, 0.0), 1.0), 2)

    highest = max([1, detail.row.tier, *(s.row.tier for s in detail.sessions)])
    lanes = tuple((LANES[n], _y(n)) for n in range(min(highest, 3) + 1))
    return TierChart(
        height=TOP + LANE * len(lanes) + 18,
        lanes=lanes,
        bars=tuple(_bars(detail, x, now)),
        marks=tuple(_marks(detail, x)),
        ticks=tuple(_ticks(span, whole)),
    )


def _ticks(span: float, whole: float) -> Iterable[Tick]:
    for share in (0, 0.25, 0.5, 0.75):
        yield Tick(x=100 * share, text=_offset(share * span))
    yield Tick(x=100, text=("… " if span < whole else "") + _offset(whole))


def _busy_s(detail: IncidentView, now: datetime) -> float:
    """How long something was done. The hour of re-checks after it would press minutes of work into a few pixels."""
    times = [s.row.ended_at or now for s in detail.sessions]
    times += [a.finished_at or a.requested_at for a in detail.actions]
    times += [p.decided_at or now for p in detail.approvals]
    times += [t.at for t in detail.timeline if t.kind in _WORK]
    if not times:
        times = [detail.row.closed_at or now]
    return max((max(times) - detail.row.opened_at).total_seconds(), 1.0)


def _y(lane: int) -> float:
    return TOP + LANE * lane


def _bars(detail: IncidentView, x: Scale, now: datetime) -> Iterable[Bar]:
    row = detail.row
    yield _bar(0, x(row.opened_at), x(row.closed_at or now), TONES.get(row.state, "plain"), words(row.state))
    for s in detail.sessions:
        r = s.row
        label = f"tier {r.tier}, {r.model}: {words(r.status)}"
        yield _bar(min(r.tier, 3), x(r.started_at), x(r.ended_at or now), TONES.get(r.status, "plain"), label, s.key)


def _bar(lane: int, left: float, right: float, tone: str, label: str, href: str = "") -> Bar:
    return Bar(
        lane=lane,
        x=left,
        y=_y(lane) + 10,
        width=max(round(right - left, 2), _SMALLEST),
        tone=tone,
        label=label,
        href=href,
    )


def _marks(detail: IncidentView, x: Scale) -> Iterable[Mark]:
    for a in detail.actions:
        yield _action_mark(a, x)
    for p in detail.approvals:
        yield _approval_mark(p, x)
    for t in detail.timeline:
        if t.kind in {"verified", "not_verified", "joined"}:
            yield Mark(
                x=x(t.at),
                y=_y(0) + 17,
                tone={"verified": "good", "not_verified": "bad"}.get(t.kind, "plain"),
                label=t.text,
            )


def _action_mark(action: Action, x: Scale) -> Mark:
    at = action.finished_at or action.requested_at
    label = f"{words(action.kind)} {action.target}: {words(action.state)}"
    return Mark(x=x(at), y=_y(min(action.tier, 3)) + 17, tone=TONES.get(action.state, "plain"), label=label)


def _approval_mark(approval: Approval, x: Scale) -> Mark:
    at = approval.decided_at or approval.requested_at
    lane = min(approval.action.tier, 3)
    return Mark(
        x=x(at),
        y=_y(lane) + 17,
        tone=TONES.get(approval.state, "plain"),
        label=f"approval {words(approval.state)} {approval.decided_by}".strip(),
    )


def _offset(seconds: float) -> str:
    return "0" if seconds < 1 else f"+{duration(seconds)}"
