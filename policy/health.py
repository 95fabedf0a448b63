"""What probes mean: from results to a service's state, and whether an incident must open."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from domain.health import ProbeResult, ProbeStatus, ServiceHealth, ServiceStatus

FLAP_WINDOW_S = 1800.0
FLAP_LIMIT = 4  # changes within the window; below it, a restart or two is ordinary
FAILURES_TO_OPEN = 2
FAILURES_TO_OPEN_FLAPPING = 4  # a flapping service must stay down before anything is done to it


class Verdict(StrEnum):
    """What a patrol should do about one service."""

    HEALTHY = "healthy"  # or unknown: where no probe could run, there is nothing to repair
    SUSPECT = "suspect"  # failing for the first time: probe again before anything opens
    FAILING = "failing"
    FLAPPING = "flapping"  # tell a person; too restless to act upon


def status_of(results: Sequence[ProbeResult]) -> ServiceStatus:
    """The worst of all probes. A probe that could not run is doubt, not proof."""
    found = {r.status for r in results}
    if ProbeStatus.FAIL in found:
        return ServiceStatus.DOWN
    if ProbeStatus.WARN in found:
        return ServiceStatus.DEGRADED
    if ProbeStatus.ERROR in found or not found:
        return ServiceStatus.UNKNOWN
    return ServiceStatus.UP


def observe(health: ServiceHealth, results: Sequence[ProbeResult], now: datetime) -> ServiceHealth:
    """The health after one round of probes."""
    status = status_of(results)
    was_down, is_down = health.status == ServiceStatus.DOWN, status == ServiceStatus.DOWN
    known = health.status != ServiceStatus.UNKNOWN
    since = now - timedelta(seconds=FLAP_WINDOW_S)
    flips = tuple(f for f in health.flips if f > since)
    if known and was_down != is_down and status != ServiceStatus.UNKNOWN:
        flips = (*flips, now)
    worst = next((r.summary for r in results if r.status == ProbeStatus.FAIL), "")
    return ServiceHealth(
        service=health.service,
        status=status,
        since=health.since if status == health.status and health.since else now,
        last_probe_at=now,
        failures_in_row=health.failures_in_row + 1 if is_down else 0,
        successes_in_row=0 if is_down or status == ServiceStatus.UNKNOWN else health.successes_in_row + 1,
        flips=flips,
        summary=worst or next((r.summary for r in results if r.status != ProbeStatus.OK), ""),
    )


def verdict(health: ServiceHealth, results: Sequence[ProbeResult], now: datetime) -> Verdict:
    """What to do about a service whose health is already the one after `results`."""
    if health.status != ServiceStatus.DOWN:
        return Verdict.FLAPPING if is_flapping(health, now) else Verdict.HEALTHY
    if is_flapping(health, now):
        return Verdict.FAILING if health.failures_in_row >= FAILURES_TO_OPEN_FLAPPING else Verdict.FLAPPING
    hard = any(r.hard and r.status == ProbeStatus.FAIL for r in results)
    if hard or health.failures_in_row >= FAILURES_TO_OPEN:
        return Verdict.FAILING
    return Verdict.SUSPECT


def is_flapping(health: ServiceHealth, now: datetime) -> bool:
    """Whether the state changed too often lately."""
    since = now - timedelta(seconds=FLAP_WINDOW_S)
    return sum(1 for f in health.flips if f > since) >= FLAP_LIMIT


def is_green(results: Sequence[ProbeResult]) -> bool:
    """Whether every probe ran and none failed: the only proof of health. No result is no proof."""
    return bool(results) and all(r.status in {ProbeStatus.OK, ProbeStatus.WARN} for r in results)
