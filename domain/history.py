"""A workflow's history as people read it."""

from datetime import datetime

from domain.base import Value


class HistoryEvent(Value):
    """One event in plain words. `kind`: activity, timer, message, child, workflow."""

    id: int
    at: datetime
    kind: str
    text: str
    detail: str = ""
    failed: bool = False


class HistoryPage(Value):
    """Some events, newest first; `next` leads to older ones. Between `newest` and `oldest` was looked."""

    events: tuple[HistoryEvent, ...] = ()
    next: str = ""
    newest: int = 0
    oldest: int = 0


class PendingActivity(Value):
    """What a workflow waits for now."""

    name: str
    attempt: int
    failure: str = ""
    begun: bool = False


class RunState(Value):
    """One run of a workflow: running, completed, failed, canceled, terminated, continued_as_new, timed_out."""

    status: str
    started: datetime
    ended: datetime | None
    events: int
    trace: str = ""  # id of its trace, "" where it is not traced
    pending: tuple[PendingActivity, ...] = ()
