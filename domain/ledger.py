"""Permits, and the journal of one service that they are granted from."""

from datetime import datetime
from enum import StrEnum

from domain.action import ActionKind, CooldownClass
from domain.base import Value
from domain.ids import PermitId, ServiceId


class PermitState(StrEnum):
    """reserved -> confirmed | released | expired. An expired reservation still counts: its effect may have happened."""

    RESERVED = "reserved"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    EXPIRED = "expired"


class Permit(Value):
    """The ledger's leave to perform one action."""

    id: PermitId
    service: ServiceId
    kind: ActionKind
    cooldown_class: CooldownClass
    state: PermitState
    granted_at: datetime
    expires_at: datetime
    holder: str = ""  # incident id, shown to people
    outcome: str = ""


class CooldownRule(Value):
    """At most `limit` permits of a class in any window of `window_s` seconds."""

    limit: int
    window_s: float


class Journal(Value):
    """All that a decision about one service needs to know of its past."""

    service: ServiceId
    permits: tuple[Permit, ...] = ()
    maintenance_until: datetime | None = None
    maintenance_reason: str = ""
    snoozed_until: datetime | None = None
    snooze_reason: str = ""
    resets: tuple[datetime, ...] = ()  # permits granted before the newest reset of all classes do not count


class LedgerStart(Value):
    """Start the ledger of a service. `journal` is carried over when the entity continues as new."""

    service: ServiceId
    journal: Journal | None = None


class PermitRequest(Value):
    """Ask for one permit. The same id always gives the same answer."""

    id: PermitId
    service: ServiceId
    kind: ActionKind
    cooldown_class: CooldownClass
    rule: CooldownRule
    holder: str = ""
    expires_s: float = 600.0


class PermitAnswer(Value):
    """Granted, or refused with the time of the next slot."""

    granted: bool
    permit: Permit | None = None
    reason: str = ""
    retry_after_s: float | None = None
    next_slot_at: datetime | None = None
    used: int = 0
    limit: int = 0


class PermitOutcome(Value):
    """Tell the ledger how a permit ended."""

    id: PermitId
    outcome: str = ""


class LedgerNote(Value):
    """A person's change: maintenance or snooze until a time, or a reset, always with who and why."""

    until: datetime | None = None
    reason: str
    actor: str


class LedgerView(Value):
    """The journal with the slots of each class worked out at `at`."""

    journal: Journal
    at: datetime
    slots: tuple["SlotView", ...] = ()


class SlotView(Value):
    """One class: how many of how many are used, and when the next is free (None: now)."""

    cooldown_class: CooldownClass
    used: int
    limit: int
    window_s: float
    next_slot_at: datetime | None


class LedgerHistory(Value):
    """What the record holds of one service, read back by a ledger that starts without a journal."""

    journal: Journal
