"""From probe results to a verdict."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.health import ProbeResult, ProbeStatus, ServiceHealth, ServiceStatus
from policy.health import FLAP_LIMIT, FLAP_WINDOW_S, Verdict, is_flapping, is_green, observe, status_of, verdict
from tests.support.builders import NOON, WEB, probe

OK, WARN, FAIL, ERROR = (probe(s) for s in (ProbeStatus.OK, ProbeStatus.WARN, ProbeStatus.FAIL, ProbeStatus.ERROR))
FRESH = ServiceHealth(service=WEB)


def rounds(*results: ProbeResult | tuple[ProbeResult, ...], every_s: float = 60) -> tuple[ServiceHealth, list[Verdict]]:
    """The health after these rounds of probes, and the verdict of each."""
    health, verdicts = FRESH, []
    for n, found in enumerate(results):
        now = NOON + timedelta(seconds=n * every_s)
        batch = found if isinstance(found, tuple) else (found,)
        health = observe(health, batch, now)
        verdicts.append(verdict(health, batch, now))
    return health, verdicts


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ((), ServiceStatus.UNKNOWN),
        ((OK,), ServiceStatus.UP),
        ((OK, WARN), ServiceStatus.DEGRADED),
        ((OK, ERROR), ServiceStatus.UNKNOWN),
        ((WARN, ERROR), ServiceStatus.DEGRADED),
        ((OK, WARN, ERROR, FAIL), ServiceStatus.DOWN),
    ],
)
def test_the_worst_probe_decides_and_a_probe_that_could_not_run_is_doubt(
    results: tuple[ProbeResult, ...], status: ServiceStatus
) -> None:
    assert status_of(results) == status


@pytest.mark.parametrize(
    ("results", "green"),
    [((), False), ((OK,), True), ((OK, WARN), True), ((OK, ERROR), False), ((OK, FAIL), False)],
)
def test_only_probes_that_all_ran_and_did_not_fail_are_proof(results: tuple[ProbeResult, ...], green: bool) -> None:
    assert is_green(results) is green


def test_the_first_failure_is_a_suspicion_the_second_opens() -> None:
    assert rounds(OK, FAIL, FAIL)[1] == [Verdict.HEALTHY, Verdict.SUSPECT, Verdict.FAILING]


def test_a_hard_probe_opens_at_once() -> None:
    assert rounds(OK, probe(ProbeStatus.FAIL, hard=True))[1][-1] == Verdict.FAILING
    passed = probe(ProbeStatus.OK, hard=True)
    assert rounds(OK, (passed, FAIL))[1][-1] == Verdict.SUSPECT


def test_a_success_between_two_failures_begins_the_count_anew() -> None:
    assert rounds(FAIL, OK, FAIL)[1] == [Verdict.SUSPECT, Verdict.HEALTHY, Verdict.SUSPECT]


def test_doubt_opens_nothing_and_proves_no_recovery() -> None:
    health, verdicts = rounds(OK, OK, ERROR)
    assert verdicts[-1] == Verdict.HEALTHY
    assert (health.status, health.failures_in_row, health.successes_in_row) == (ServiceStatus.UNKNOWN, 0, 0)


def test_a_restless_service_is_left_alone_until_it_stays_down() -> None:
    restless = [OK, FAIL, OK, FAIL, OK]
    health, verdicts = rounds(*restless)
    assert verdicts[-1] == Verdict.FLAPPING
    assert len(health.flips) == FLAP_LIMIT
    assert rounds(*restless, FAIL, FAIL, FAIL)[1][-3:] == [Verdict.FLAPPING] * 3
    assert rounds(*restless, FAIL, FAIL, FAIL, FAIL)[1][-1] == Verdict.FAILING


def test_a_restless_hour_is_forgotten() -> None:
    health, _ = rounds(OK, FAIL, OK, FAIL, OK)
    later = NOON + timedelta(seconds=FLAP_WINDOW_S + 300)
    assert not is_flapping(health, later)
    assert observe(health, (OK,), later).flips == ()


def test_a_change_from_or_to_the_unknown_is_no_flip() -> None:
    assert rounds(FAIL)[0].flips == ()
    assert rounds(OK, ERROR, FAIL, ERROR, OK)[0].flips == ()


def test_since_is_when_the_state_began_and_the_summary_is_of_the_worst_probe() -> None:
    health, _ = rounds(OK, (WARN, probe(ProbeStatus.FAIL, summary="no answer")), FAIL)
    assert health.since == NOON + timedelta(seconds=60)
    assert health.last_probe_at == NOON + timedelta(seconds=120)
    warned, _ = rounds((OK, probe(ProbeStatus.WARN, summary="slow")))
    assert warned.summary == "slow"
    assert rounds((WARN, probe(ProbeStatus.FAIL, summary="no answer")))[0].summary == "no answer"
    assert rounds(OK)[0].summary == ""


@given(st.lists(st.sampled_from([OK, WARN, FAIL, ERROR]), max_size=40), st.floats(1, 2000))
@settings(max_examples=200, deadline=None)
def test_nothing_opens_without_two_failures_in_a_row(results: list[ProbeResult], every_s: float) -> None:
    _, verdicts = rounds(*results, every_s=every_s)
    for n, found in enumerate(verdicts):
        if found == Verdict.FAILING:
            assert results[n - 1 : n + 1] == [FAIL, FAIL]
        if found == Verdict.SUSPECT:
            assert results[n] == FAIL
