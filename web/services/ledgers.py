"""Ledgers as the record knows them: what is used, who used it, when it comes back, what was refused."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from adapters.database.reads import Reads
from adapters.database.records import LedgerNoteRow
from config.settings import Settings
from domain.action import Action, CooldownClass
from domain.ids import PermitId, ServiceId
from domain.inventory import Limits
from domain.ledger import CooldownRule, Journal, Permit
from domain.ports import Clock
from policy import actions as action_policy
from policy import cooldown
from web.listmodels import CooldownRow, SlotUse, Use

T = TypeVar("T", Permit, LedgerNoteRow)
USERS = 20  # newest actions of a service among which those that hold its permits are looked for
REFUSALS = 10


class Ledgers:
    """Reads over permits and notes. Every method raises RecordUnavailableError where the record cannot be used."""

    def __init__(self, reads: Reads, settings: Settings, clock: Clock) -> None:
        self._reads = reads
        self._settings = settings
        self._clock = clock

    async def touched(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Services whose ledger says anything now, and those with every slot free; both in order."""
        now = self._clock.now()
        inventory, permits, notes = await asyncio.gather(
            self._reads.inventory(), self._reads.permits(now - self._longest()), self._reads.ledger_notes()
        )
        told = {n.service for n in notes if n.kind == "reset" or (n.until and n.until > now)}
        touched = sorted({*(p.service for p in permits), *told})
        return tuple(touched), tuple(s.id for s in inventory.services if s.id not in touched)

    async def of(self, services: Sequence[str]) -> dict[str, CooldownRow]:
        """The ledgers of some services."""
        if not services:
            return {}
        now = self._clock.now()
        since = now - self._longest()
        permits, notes, specs, actions, refused = await asyncio.gather(
            self._reads.permits(since),
            self._reads.ledger_notes(),
            self._reads.lists.specs(services),
            self._reads.lists.actions_on(services, USERS),
            self._reads.lists.refused_on(services, since, REFUSALS),
        )
        by_permit = {a.permit: a for a in actions if a.permit}
        return {
            service: self._row(
                _journal(service, _of(service, permits), _of(service, notes)),
                specs[service].limits if service in specs else Limits(),
                by_permit,
                tuple(a for a in refused if a.target == service),
                _of(service, notes),
                now,
            )
            for service in services
        }

    async def journal(self, service: str) -> Journal:
        """One service's journal."""
        permits, notes = await asyncio.gather(
            self._reads.permits(self._clock.now() - self._longest(), service), self._reads.ledger_notes(service)
        )
        return _journal(service, permits, notes)

    def _row(
        self,
        journal: Journal,
        limits: Limits,
        by_permit: dict[PermitId, Action],
        refused: tuple[Action, ...],
        notes: tuple[LedgerNoteRow, ...],
        now: datetime,
    ) -> CooldownRow:
        policy = self._settings.escalation_policy()
        rules = {c: action_policy.cooldown_rule(policy, limits, c) for c in CooldownClass}
        slots = cooldown.slots(journal, rules, now)
        longest = timedelta(seconds=max(rule.window_s for rule in rules.values()))
        return CooldownRow(
            service=journal.service,
            journal=journal,
            classes=tuple(
                SlotUse(slot, _uses(journal, slot.cooldown_class, rules[slot.cooldown_class], by_permit, now))
                for slot in slots
            ),
            permits=tuple(p for p in journal.permits if p.granted_at > now - longest),
            refused=refused,
            notes=notes,
        )

    def _longest(self) -> timedelta:
        s = self._settings
        return timedelta(seconds=max(s.restart_window_s, s.redeploy_window_s, s.remedy_window_s, 7 * 86_400.0))


def _uses(
    journal: Journal, which: CooldownClass, rule: CooldownRule, by_permit: dict[PermitId, Action], now: datetime
) -> tuple[Use, ...]:
    window = timedelta(seconds=rule.window_s)
    return tuple(
        Use(p, p.granted_at + window, by_permit.get(p.id)) for p in cooldown.counted(journal, which, rule.window_s, now)
    )


def _of(service: str, rows: Iterable[T]) -> tuple[T, ...]:
    return tuple(row for row in rows if row.service == service)


def _journal(service: str, permits: Sequence[Permit], notes: Sequence[LedgerNoteRow]) -> Journal:
    newest = {n.kind: n for n in notes}
    maintenance, snooze, reset = newest.get("maintenance"), newest.get("snooze"), newest.get("reset")
    return Journal(
        service=ServiceId(service),
        permits=tuple(permits),
        maintenance_until=maintenance.until if maintenance else None,
        maintenance_reason=maintenance.reason if maintenance else "",
        snoozed_until=snooze.until if snooze else None,
        snooze_reason=snooze.reason if snooze else "",
        resets=(reset.at,) if reset else (),
    )
