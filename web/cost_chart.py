"""A month of days as stacked bars: numbers for an SVG. Every bar is also a row of the table below it."""

from dataclasses import dataclass
from datetime import date

from web.formats import money, thousands
from web.services.costs import Costs

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 900.0, 220.0, 64.0, 12.0, 24.0
SPLIT_WORDS = {"tier": "tier", "service": "service", "trigger": "reason to begin"}


@dataclass(frozen=True)
class Piece:
    """One part of one day."""

    y: float
    height: float
    path: str  # its rectangle as one attribute: a page has hundreds, and each attribute costs it time
    label: str


@dataclass(frozen=True)
class CostChart:
    """What the template draws. `parts` are (place, its pieces): the place is its colour and pattern.

    `lines` are (y, text); `names` are (x, day of the month).
    """

    parts: tuple[tuple[int, tuple[Piece, ...]], ...]
    lines: tuple[tuple[float, str], ...]
    names: tuple[tuple[float, str], ...]
    keys: tuple[tuple[int, str], ...]  # (place, part)
    tokens: bool  # heights are tokens, because nothing was paid


def cost_chart(costs: Costs) -> CostChart:
    """Heights are money, or tokens where no money was spent (a scripted model)."""
    tokens = costs.total.cost_usd == 0
    days = (float(spent.tokens if tokens else spent.cost_usd) for spent in costs.by_day().values())
    highest = _round_up(max(days, default=0.0), whole=tokens)
    step = (WIDTH - LEFT) / len(costs.days)
    places = {part: n for n, part in enumerate(costs.parts)}
    parts: dict[int, list[Piece]] = {n: [] for n in places.values()}
    below: dict[date, float] = {}
    names = {day: f"{day:%d %b}, " for day in costs.days}
    said = {part: part_words(costs.by, part) for part in costs.parts}
    left = {day: round(LEFT + n * step + 2, 1) for n, day in enumerate(costs.days)}
    width = round(step - 4, 1)
    for cell in sorted(costs.cells, key=lambda c: (c.day, places[c.part])):
        value = cell.tokens if tokens else cell.cost_usd
        height = value / highest * (HEIGHT - TOP - BOTTOM) if highest else 0.0
        top = below[cell.day] = below.get(cell.day, HEIGHT - BOTTOM) - height
        y, height = round(top, 1), round(height, 1)
        path = f"M{left[cell.day]} {y}h{width}v{height}h-{width}z"
        label = f"{names[cell.day]}{said[cell.part]}: {money(cell.cost_usd)}, {thousands(cell.tokens)} tokens"
        parts[places[cell.part]].append(Piece(y, height, path, label))
    return CostChart(
        parts=tuple((place, tuple(pieces)) for place, pieces in parts.items()),
        lines=tuple(
            (round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1), _axis(highest * share, tokens=tokens))
            for share in (0, 0.5, 1)
        )
        if highest
        else (),
        names=tuple(
            (round(LEFT + ((d - costs.month).days + 0.5) * step, 1), str(d.day)) for d in costs.days if d.day % 5 == 1
        ),
        keys=tuple((n, part) for part, n in places.items()),
        tokens=tokens,
    )


def part_words(by: str, part: str) -> str:
    """A part as people say it."""
    if part == "others":
        return "all others"
    if by == "tier":
        return f"tier {part}" if part != "0" else "tier not known"
    return part or ("a look at everything" if by == "service" else "not known")


def _axis(value: float, *, tokens: bool) -> str:
    return thousands(round(value)) if tokens else money(value)


def _round_up(value: float, *, whole: bool) -> float:
    """The next of 1, 2, 5, 10, ... at or above `value`."""
    if value <= 0:
        return 0.0
    step = 1.0 if whole else 0.0001
    while True:
        for factor in (1, 2, 5):
            if step * factor >= value:
                return step * factor
        step *= 10
