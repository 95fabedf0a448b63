"""Schedules as Temporal holds them, for people who look at them or change when they fire."""

from datetime import datetime

from domain.base import Value


class ScheduledRun(Value):
    """One run that a schedule started. `status`: running, completed, failed, cancelled, terminated, timed_out, gone."""

    due: datetime  # the time that it stands for; for Run now the time of the request
    started: datetime
    workflow_id: str
    run_id: str
    status: str = "gone"  # gone: Temporal no longer has its history
    ended: datetime | None = None


class ScheduleState(Value):
    """One schedule. Times in UTC; `zone` is where its cron expression is read."""

    id: str
    workflow: str
    cron: str = ""  # as a person wrote it
    every_s: float = 0.0  # instead of `cron`
    jitter_s: float = 0.0
    zone: str = "UTC"
    paused: bool = False
    note: str = ""
    next: tuple[datetime, ...] = ()  # as if it were not paused
    left_out: tuple[datetime, ...] = ()  # skipped by a person, still to come
    runs: tuple[ScheduledRun, ...] = ()  # newest first
    running: int = 0
    overlap: str = ""  # skip, buffer_one, buffer_all, cancel_other, terminate_other, allow_all
    catchup_s: float = 0.0
    missed: int = 0  # not run, because nothing could start them within the catch-up window
    overlapped: int = 0  # not run, because another one was running

    @property
    def fires(self) -> tuple[datetime, ...]:
        """The next five times; none while it is paused."""
        return () if self.paused else self.next[:5]
