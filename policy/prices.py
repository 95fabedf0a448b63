"""What a model request costs: a dated price table, USD per million tokens.

Source: the public price list and the CLI's built-in table, as of the dates below. A new price is a new line.
"""

from datetime import UTC, date, datetime

from domain.base import Value

PER = 1_000_000
LONG_PROMPT = 100_000  # tokens; above it some models cost more


class Tokens(Value):
    """Tokens of one request as the wire tells them. Cache writes are split by how long they are kept."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0

    @property
    def cache_write(self) -> int:
        """All cache writes."""
        return self.cache_write_5m + self.cache_write_1h

    @property
    def prompt(self) -> int:
        """Everything that was read: fresh, cached or written to the cache."""
        return self.input + self.cache_read + self.cache_write


class Price(Value):
    """Rates of one model from a day on (UTC). `long_factor` multiplies all rates above LONG_PROMPT prompt tokens."""

    model: str
    since: date
    input: float
    output: float
    cache_write_5m: float
    cache_write_1h: float
    cache_read: float
    long_factor: float = 1.0


_START = date(2026, 1, 1)


def _price(
    model: str, rates: tuple[float, float, float, float, float], since: date = _START, long_factor: float = 1.0
) -> Price:
    read, write, kept, kept_long, cached = rates
    return Price(
        model=model,
        since=since,
        input=read,
        output=write,
        cache_write_5m=kept,
        cache_write_1h=kept_long,
        cache_read=cached,
        long_factor=long_factor,
    )


# in, out, cache write 5 min, cache write 1 h, cache read
PRICES: tuple[Price, ...] = (
    _price("claude-haiku-5-5", (0.10, 0.50, 0.125, 0.20, 0.01), long_factor=5.0),
    _price("claude-haiku-4-5", (1, 5, 1.25, 2, 0.10)),
    _price("claude-sonnet-5-5", (2, 10, 2.50, 4, 0.20)),
    _price("claude-sonnet-5-5", (2, 10, 2.50, 4, 0.10), since=date(2026, 10, 7)),
    _price("claude-sonnet-5", (2, 10, 2.50, 4, 0.20)),
    _price("claude-opus-5-5", (4, 20, 5, 8, 0.20)),
    _price("claude-opus-4-8", (5, 25, 6.25, 10, 0.50)),
    _price("claude-fable-5-2", (8, 40, 10, 16, 0.20)),
)
KNOWN = frozenset(p.model for p in PRICES)
_UNKNOWN = "claude-opus-5-5"  # an unknown model counts as a dear one, so that a budget errs on the safe side
_HIDDEN = 2_000  # tokens that the API adds by itself, for tools


def named(model: str) -> str:
    """The model's name in the table, or "" where its price is not known. `...-20251001` means the undated one."""
    return next((name for name in (model, model.rpartition("-")[0]) if name in KNOWN), "")


def price_of(model: str, at: datetime) -> Price:
    """The rates of `model` at a moment. A dated id (`claude-haiku-4-5-20251001`) means its undated one."""
    day = at.astimezone(UTC).date()
    wanted = named(model) or _UNKNOWN
    dated = [p for p in PRICES if p.model == wanted]
    return max((p for p in dated if p.since <= day), key=lambda p: p.since, default=dated[0])


def cost_usd(model: str, tokens: Tokens, at: datetime) -> float:
    """Dollars for one request."""
    p = price_of(model, at)
    plain = (
        tokens.input * p.input
        + tokens.output * p.output
        + tokens.cache_read * p.cache_read
        + tokens.cache_write_5m * p.cache_write_5m
        + tokens.cache_write_1h * p.cache_write_1h
    )
    factor = p.long_factor if tokens.prompt > LONG_PROMPT else 1.0
    return plain * factor / PER


def most_usd(model: str, body_bytes: int, max_tokens: int, at: datetime) -> float:
    """What a request can cost at most. A token is at least one byte of the body."""
    p = price_of(model, at)
    prompt = body_bytes + _HIDDEN
    factor = p.long_factor if prompt > LONG_PROMPT else 1.0
    dearest = max(p.input, p.cache_write_5m, p.cache_write_1h)
    return (prompt * dearest + max_tokens * p.output) * factor / PER
