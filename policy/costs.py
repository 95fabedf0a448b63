"""What a month will cost, from what its days cost so far."""

from collections.abc import Sequence

from domain.base import Value

WINDOW = 7  # whole days that say what a day costs


class Forecast(Value):
    """`total` until the end of the month in USD, from `daily`, the mean of the last `days` whole days."""

    total: float
    daily: float
    days: int


def forecast(spent: float, today: float, whole_days: Sequence[float], days_left: int) -> Forecast | None:
    """The month's end. None before a whole day is known.

    `spent` is the month so far with `today` in it; `whole_days` are the days before today, newest last, quiet ones as
    0; `days_left` counts the days of the month after today. What today has not spent of a usual day is still to come.
    """
    last = whole_days[-WINDOW:]
    if not last:
        return None
    daily = sum(last) / len(last)
    return Forecast(total=spent + max(0.0, daily - today) + daily * days_left, daily=daily, days=len(last))
