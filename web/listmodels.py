"""What the templates of lists receive: frozen and worked out."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from adapters.database.records import ChainSession, IncidentRow, LedgerNoteRow, Period, ServiceRow, UptimeSlot
from domain.action import Action
from domain.ledger import Journal, Permit, SlotView
from web.formats import count, duration

TONES = {"up": "good", "degraded": "warn", "down": "bad"}


@dataclass(frozen=True)
class Bucket:
    """One bar: a step of a period of one service."""

    at: datetime
    until: datetime
    total: int
    failed: int
    doubtful: int
    failures: int
    down_s: float
    tone: str  # good, warn, bad, none

    @property
    def text(self) -> str:
        """What the bar says, in words: `2 of 6 probes failed, 12 min`."""
        if not self.total:
            return "nothing was probed"
        if self.failed:
            return f"{self.failed} of {count(self.total, 'probe')} failed" + (
                f", {duration(self.down_s)}" if self.down_s else ""
            )
        return (
            f"{count(self.doubtful, 'doubtful probe')} of {self.total}"
            if self.doubtful
            else f"{count(self.total, 'probe')} well"
        )


@dataclass(frozen=True)
class Bars:
    """The row of bars of one service, oldest first."""

    period: Period
    slots: tuple[UptimeSlot, ...]

    @property
    def buckets(self) -> tuple[Bucket, ...]:
        """Each bar with its words."""
        return tuple(_bucket(slot, self.period.step) for slot in self.slots)

    @property
    def unwell(self) -> tuple[Bucket, ...]:
        """The bars that say more than "all well", the newest first."""
        return tuple(_bucket(s, self.period.step) for s in reversed(self.slots) if s.fail or s.warn or s.error)

    @property
    def shapes(self) -> tuple[tuple[str, str], ...]:
        """(tone, SVG path) of all bars of a colour, 5 wide, 30 high: one element per bar would cost a page its time."""
        drawn: dict[str, list[str]] = {}
        for n, slot in enumerate(self.slots):
            tone = TONES.get(slot.status, "none")
            drawn.setdefault(tone, []).append(f"M{n * 5} {_SHAPES[tone]}")
        return tuple((tone, "".join(parts)) for tone, parts in drawn.items())

    @property
    def failures(self) -> int:
        """How often it began to fail."""
        return sum(s.failures for s in self.slots)

    @property
    def down_s(self) -> float:
        """For how long it failed. No bar is down for longer than it is long: what was told late is cut."""
        longest = self.period.step.total_seconds()
        return sum(min(s.down_s, longest) for s in self.slots)

    @property
    def text(self) -> str:
        """The whole period in words: `3 failures, 12 min`."""
        if not any(s.ok or s.warn or s.fail or s.error for s in self.slots):
            return "no probes"
        if not any(s.fail for s in self.slots):
            return "no failure, at times in doubt" if any(s.warn or s.error for s in self.slots) else "no failure"
        told = count(self.failures, "failure") if self.failures else "failing since before"
        return f"{told}, {duration(self.down_s)}" if self.down_s else told


# From the top left of a bar on: its height says the same as its colour, and a notch cuts through what is not well.
_SHAPES = {
    "good": "10h4v20h-4z",
    "warn": "5h4v9h-4zm0 11h4v14h-4z",
    "bad": "0h4v9h-4zm0 12h4v18h-4z",
    "none": "25h4v5h-4z",
}


def _bucket(slot: UptimeSlot, step: timedelta) -> Bucket:
    return Bucket(
        at=slot.start,
        until=slot.start + step,
        total=slot.ok + slot.warn + slot.fail + slot.error,
        failed=slot.fail,
        doubtful=slot.warn + slot.error,
        failures=slot.failures,
        down_s=min(slot.down_s, step.total_seconds()),
        tone=TONES.get(slot.status, "none"),
    )


@dataclass(frozen=True)
class ServiceCard:
    """One service in the list. Latency in milliseconds: median and 95th percentile of the last day."""

    row: ServiceRow
    bars: Bars
    latency: tuple[float, float] | None
    tags: tuple[str, ...]
    actions: tuple[Action, ...]  # the newest
    slots: tuple[SlotView, ...]  # of which something is used
    maintenance_until: datetime | None = None
    snoozed_until: datetime | None = None


@dataclass(frozen=True)
class Chain:
    """One escalation as one row, with the sessions of its tiers, oldest first."""

    row: IncidentRow
    sessions: tuple[ChainSession, ...]

    @property
    def tiers(self) -> tuple[tuple[int, str], ...]:
        """Tier 1 to 3 with the state of its last session; "" where it had none."""
        last = {s.tier: s.status for s in self.sessions}
        return tuple((n, last.get(n, "")) for n in (1, 2, 3))


@dataclass(frozen=True)
class Use:
    """A permit that takes up a slot, who used it, and when the slot comes back."""

    permit: Permit
    back_at: datetime
    action: Action | None  # None: its row is older than what is kept


@dataclass(frozen=True)
class SlotUse:
    """One class of cooldown of one service: how much of it is used, and by whom."""

    slot: SlotView
    uses: tuple[Use, ...]  # oldest first: its slot comes back first


@dataclass(frozen=True)
class CooldownRow:
    """One service's ledger as the record knows it."""

    service: str
    journal: Journal
    classes: tuple[SlotUse, ...]
    permits: tuple[Permit, ...]  # inside any window, newest first
    refused: tuple[Action, ...] = ()  # lately, for whatever reason
    notes: tuple[LedgerNoteRow, ...] = field(default=())

    @property
    def slots(self) -> tuple[SlotView, ...]:
        """Without who used them."""
        return tuple(c.slot for c in self.classes)
