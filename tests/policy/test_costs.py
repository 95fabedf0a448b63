"""The forecast of a month: how it is made, and what it never says."""

from hypothesis import given
from hypothesis import strategies as st

from policy.costs import WINDOW, forecast

usd = st.floats(0, 1e6)


def test_nothing_is_foretold_before_a_whole_day_is_known() -> None:
    assert forecast(5.0, 5.0, (), 20) is None


def test_a_usual_day_goes_on_until_the_end_of_the_month() -> None:
    found = forecast(10.0, 0.5, (1.0, 1.0, 1.0), 10)
    assert found is not None
    assert (found.total, found.daily, found.days) == (20.5, 1.0, 3)


def test_only_the_last_seven_days_count_and_quiet_ones_count_as_nothing() -> None:
    found = forecast(100.0, 0.0, (*[100.0] * 5, *[0.0] * WINDOW), 9)
    assert found is not None
    assert (found.total, found.daily, found.days) == (100.0, 0.0, WINDOW)


def test_a_dear_day_is_not_taken_for_usual() -> None:
    found = forecast(50.0, 50.0, (1.0,), 1)
    assert found is not None
    assert found.total == 51.0


@given(st.lists(usd, min_size=1, max_size=40), usd, st.integers(0, 30))
def test_a_month_never_ends_below_what_is_spent(days: list[float], today: float, left: int) -> None:
    spent = sum(days) + today
    found = forecast(spent, today, days, left)
    assert found is not None
    assert found.total >= spent
