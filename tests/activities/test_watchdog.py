"""A session that is alive and does nothing is noticed, one that works or waits is left alone."""

from datetime import UTC, datetime, timedelta

from activities.watchdog import EXIT_GRACE, SILENCE, Watchdog

START = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(seconds=1)


def test_a_silent_session_is_noticed_only_after_the_longest_silence() -> None:
    dog = Watchdog(START)
    assert not dog.look(START + SILENCE, spoke=False, finished=False)
    assert dog.look(START + SILENCE + TICK, spoke=False, finished=False) == "silent"


def test_every_word_starts_the_wait_anew() -> None:
    dog = Watchdog(START)
    assert not dog.look(START + SILENCE, spoke=True, finished=False)
    assert not dog.look(START + SILENCE + SILENCE, spoke=False, finished=False)


def test_a_session_that_does_not_end_after_its_result_is_noticed() -> None:
    dog = Watchdog(START)
    assert not dog.look(START, spoke=True, finished=True)
    assert not dog.look(START + EXIT_GRACE, spoke=False, finished=True)
    assert dog.look(START + EXIT_GRACE + TICK, spoke=False, finished=True) == "lingered"
