"""How long each kind of activity may take and how often it is tried. One reason each."""

from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType

from domain.engine import TASK_QUEUE_CONTROL, TASK_QUEUE_PROBES, TASK_QUEUE_SESSIONS


class Options(TypedDict, total=False):
    """Keyword arguments of `workflow.execute_activity_method`."""

    task_queue: str
    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta
    heartbeat_timeout: timedelta
    retry_policy: RetryPolicy
    cancellation_type: ActivityCancellationType


class LocalOptions(TypedDict):
    """Keyword arguments of `workflow.execute_local_activity_method`."""

    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta
    retry_policy: RetryPolicy


HEARTBEAT = timedelta(seconds=30)
_PATIENT = RetryPolicy(
    initial_interval=timedelta(seconds=0.5), maximum_interval=timedelta(seconds=20), maximum_attempts=2000
)

# The record may be away for hours (a restart, a full disk); nothing may be lost meanwhile, so writers wait.
RECORD: Options = {
    "task_queue": TASK_QUEUE_CONTROL,
    "start_to_close_timeout": timedelta(seconds=20),
    "retry_policy": _PATIENT,
}

# Within the workflow task of an update that somebody waits for.
BUDGET_RECORD: LocalOptions = {
    "start_to_close_timeout": timedelta(seconds=10),
    "schedule_to_close_timeout": timedelta(seconds=30),
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=0.2), maximum_interval=timedelta(seconds=3), maximum_attempts=20
    ),
}

# A person may wait for what follows this write. A record that does not answer at once is waited for as RECORD does.
RECORD_AT_ONCE: LocalOptions = {
    "start_to_close_timeout": timedelta(seconds=2),
    "schedule_to_close_timeout": timedelta(seconds=3),
    "retry_policy": RetryPolicy(maximum_attempts=1),
}

# Looking costs nothing but time.
PROBE: Options = {
    "task_queue": TASK_QUEUE_PROBES,
    "start_to_close_timeout": timedelta(minutes=5),
    "heartbeat_timeout": HEARTBEAT,
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30), maximum_attempts=100
    ),
}

# A dead network alerts for every service at once; bounded by beats, not by the time that a thousand alerts take.
ALERTS: Options = {
    "task_queue": TASK_QUEUE_CONTROL,
    "start_to_close_timeout": timedelta(minutes=15),
    "heartbeat_timeout": HEARTBEAT,
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30), maximum_attempts=100
    ),
}

# A permit's answer is the same for the same id, so asking again is free.
PERMIT: Options = {
    "task_queue": TASK_QUEUE_CONTROL,
    "start_to_close_timeout": timedelta(seconds=60),
    "retry_policy": _PATIENT,
}

# Judging looks and acts not; a session is waiting for the answer.
WEIGH: Options = {
    "task_queue": TASK_QUEUE_CONTROL,
    "start_to_close_timeout": timedelta(seconds=90),
    "heartbeat_timeout": HEARTBEAT,
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=0.5), maximum_interval=timedelta(seconds=10), maximum_attempts=30
    ),
}

# An effect gets one attempt. What became of it is looked up, never repeated.
EFFECT: Options = {
    "task_queue": TASK_QUEUE_CONTROL,
    "start_to_close_timeout": timedelta(minutes=10),
    "heartbeat_timeout": HEARTBEAT,
    "retry_policy": RetryPolicy(maximum_attempts=1),
}

# Looking up what became of an effect must end with an answer, however long its node is away.
RECONCILE: Options = {
    "task_queue": TASK_QUEUE_CONTROL,
    "start_to_close_timeout": timedelta(minutes=2),
    "heartbeat_timeout": HEARTBEAT,
    "retry_policy": _PATIENT,
}

# A channel may be down for a day; then the message is old news.
NOTICE: Options = {
    "task_queue": TASK_QUEUE_CONTROL,
    "start_to_close_timeout": timedelta(seconds=60),
    "schedule_to_close_timeout": timedelta(hours=24),
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=10), maximum_attempts=200
    ),
}

# Retention and sweeps: one that fails is done by the next upkeep.
UPKEEP: Options = {
    "task_queue": TASK_QUEUE_CONTROL,
    "start_to_close_timeout": timedelta(minutes=10),
    "heartbeat_timeout": HEARTBEAT,
    "retry_policy": RetryPolicy(maximum_attempts=3),
}

# A person waits for the answer; a message that is sent twice would be two messages.
EXAMINATION: Options = {
    "task_queue": TASK_QUEUE_CONTROL,
    "start_to_close_timeout": timedelta(seconds=50),
    "retry_policy": RetryPolicy(maximum_attempts=1),
}


def session(timeout_s: float) -> Options:
    """One process of a session.

    Attempts are workers that attach to the same process, not new processes. The limit is above the process's own,
    so that two can never run at once.
    """
    return {
        "task_queue": TASK_QUEUE_SESSIONS,
        "start_to_close_timeout": timedelta(seconds=timeout_s + 120),
        "heartbeat_timeout": HEARTBEAT,
        "retry_policy": RetryPolicy(
            initial_interval=timedelta(seconds=0.5), maximum_interval=timedelta(seconds=10), maximum_attempts=50
        ),
        "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    }


def verifying(window_s: float, timeout_s: float) -> Options:
    """Verification holds an activity for its window, so its limit follows the window."""
    return {**PROBE, "start_to_close_timeout": timedelta(seconds=window_s + timeout_s + 120)}
