"""The owner's money over all sessions: what is promised to those that run, and the limits of a day and a month."""

from datetime import datetime
from enum import StrEnum

from domain.base import Value
from domain.ids import IncidentId, SessionId


class WindowKind(StrEnum):
    """What a limit is for, in the owner's time zone."""

    DAY = "day"
    MONTH = "month"


class BudgetLimits(Value):
    """What the owner set. None: no limit."""

    day_usd: float | None = None
    month_usd: float | None = None
    alert_percent: float = 80.0
    timezone: str = "UTC"

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return self.day_usd is not None or self.month_usd is not None


class Window(Value):
    """One day or month, [since, until). `key` names it: `2026-11-21` or `2026-11`."""

    kind: WindowKind
    key: str
    since: datetime
    until: datetime


class WindowSpent(Window):
    """A window with what all sessions cost in it so far, as the gateway counted it, and its limit."""

    usd: float = 0.0
    limit_usd: float | None = None


class Spending(Value):
    """What a decision needs to know of money that is spent already. `sessions`: what each cost over its whole life."""

    limits: BudgetLimits
    windows: tuple[WindowSpent, ...] = ()
    sessions: dict[SessionId, float] = {}


class ReservationState(StrEnum):
    """reserved -> settled (it was begun, its cost is counted) | released (it cost nothing)."""

    RESERVED = "reserved"
    SETTLED = "settled"
    RELEASED = "released"


class Reservation(Value):
    """Money that one process of a session may still spend. It ends by itself at `ends_at`.

    `before_usd` is what the session had cost when this process began.
    """

    id: str  # "<session>/<attempt>"
    session: SessionId
    incident: IncidentId
    tier: int
    usd: float
    before_usd: float = 0.0
    state: ReservationState = ReservationState.RESERVED
    cost_usd: float = 0.0
    at: datetime
    ends_at: datetime


class BudgetRequest(Value):
    """Ask for the money of one process. `bound_usd` is the session's own budget. The same id is one reservation.

    `begun`: it runs already. Nobody asks whether it may; its promise is only written down.
    """

    id: str
    session: SessionId
    incident: IncidentId
    tier: int
    bound_usd: float
    before_usd: float = 0.0
    lasts_s: float
    begun: bool = False


class BudgetAnswer(Value):
    """Granted, or the reason with what can be done about it."""

    granted: bool
    reason: str = ""


class BudgetBatch(Value):
    """Several questions in one update. `ended`: reservations whose process has ended."""

    requests: tuple[BudgetRequest, ...] = ()
    ended: tuple[str, ...] = ()


class BudgetAnswers(Value):
    """One answer per request, by its id."""

    answers: dict[str, BudgetAnswer] = {}


class BudgetNote(Value):
    """A person stops all new sessions, or lets them begin again."""

    paused: bool
    reason: str
    actor: str
    actor_kind: str = "user"
    at: datetime | None = None  # set when it is written


class Account(Value):
    """All that a decision needs to know of promises. `alerted` names the windows that people were told of."""

    reservations: tuple[Reservation, ...] = ()
    note: BudgetNote | None = None  # the newest one
    alerted: tuple[str, ...] = ()

    @property
    def paused(self) -> BudgetNote | None:
        """Who paused it and why; None while sessions may begin."""
        return self.note if self.note and self.note.paused else None


class BudgetStart(Value):
    """Start the budget. `account` is carried over when the entity continues as new."""

    account: Account | None = None
