"""Cooldowns: whether a service may be acted upon now, and when the next slot is free.

A permit counts from the moment it is reserved, before the effect, and goes on counting when its outcome is
unknown or its reservation ran out: the effect may have happened. Only a release (nothing was done) or a
person's reset gives a slot back.
"""

from datetime import datetime, timedelta

from domain.action import CooldownClass
from domain.ledger import CooldownRule, Journal, Permit, PermitAnswer, PermitRequest, PermitState, SlotView

COUNTING = frozenset({PermitState.RESERVED, PermitState.CONFIRMED, PermitState.EXPIRED})


def counted(journal: Journal, cooldown_class: CooldownClass, window_s: float, now: datetime) -> tuple[Permit, ...]:
    """The permits of a class that use up a slot at `now`, oldest first.

    A permit of the very instant of a reset counts: many calls can share one instant of a workflow's clock, and
    each of them would be granted otherwise.
    """
    since = _before(now, window_s)
    reset = max(journal.resets, default=None)
    hits = [
        p
        for p in journal.permits
        if p.cooldown_class == cooldown_class
        and p.state in COUNTING
        and p.granted_at > since
        and (reset is None or p.granted_at >= reset)
    ]
    return tuple(sorted(hits, key=lambda p: p.granted_at))


def next_slot(journal: Journal, cooldown_class: CooldownClass, rule: CooldownRule, now: datetime) -> datetime | None:
    """When the next permit could be granted; None means now. A limit of 0 never grants: the far future."""
    if rule.limit <= 0:
        return _never(now)
    used = counted(journal, cooldown_class, rule.window_s, now)
    if len(used) < rule.limit:
        return None
    return _after(used[len(used) - rule.limit].granted_at, rule.window_s)


def _never(now: datetime) -> datetime:
    return datetime.max.replace(tzinfo=now.tzinfo)


def _after(at: datetime, seconds: float) -> datetime:
    """`at` plus a time. A time that no calendar holds is never: an error here would stop the ledger for good."""
    try:
        return at + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return _never(at)


def _before(at: datetime, seconds: float) -> datetime:
    try:
        return at - timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return datetime.min.replace(tzinfo=at.tzinfo)


def decide(journal: Journal, request: PermitRequest, now: datetime) -> tuple[PermitAnswer, Journal]:
    """Answer one request and give the journal that follows. The same permit id always gets the same answer."""
    known = next((p for p in journal.permits if p.id == request.id), None)
    used = len(counted(journal, request.cooldown_class, request.rule.window_s, now))
    if known is not None:
        granted = known.state in COUNTING
        reason = "" if granted else "this permit was already given back; ask with a new action"
        return PermitAnswer(
            granted=granted, permit=known if granted else None, reason=reason, used=used, limit=request.rule.limit
        ), journal
    barriers = _barriers(journal, request, now, used)
    if barriers:
        reasons = "; ".join(reason for _, reason in barriers)
        return _refusal(reasons, max(until for until, _ in barriers), now, used, request.rule), journal
    permit = Permit(
        id=request.id,
        service=request.service,
        kind=request.kind,
        cooldown_class=request.cooldown_class,
        state=PermitState.RESERVED,
        granted_at=now,
        expires_at=_after(now, request.expires_s),
        holder=request.holder,
    )
    answer = PermitAnswer(granted=True, permit=permit, used=used + 1, limit=request.rule.limit)
    return answer, journal.model_copy(update={"permits": (*journal.permits, permit)})


def _barriers(journal: Journal, request: PermitRequest, now: datetime, used: int) -> list[tuple[datetime, str]]:
    """Everything that stands in the way, with the time until which it does. Only when all are over is there a slot."""
    found: list[tuple[datetime, str]] = []
    if journal.maintenance_until and journal.maintenance_until > now:
        found.append((journal.maintenance_until, f"maintenance: {journal.maintenance_reason}"))
    if journal.snoozed_until and journal.snoozed_until > now:
        found.append((journal.snoozed_until, f"snoozed: {journal.snooze_reason}"))
    free_at = next_slot(journal, request.cooldown_class, request.rule, now)
    if free_at is not None:
        found.append((free_at, _limit_sentence(request, used)))
    return found


def _limit_sentence(request: PermitRequest, used: int) -> str:
    if request.rule.limit <= 0:
        return f"{request.cooldown_class} is switched off for this service (limit 0)"
    hours = request.rule.window_s / 3600
    return f"{used} of {request.rule.limit} {request.cooldown_class} permits of the last {hours:g} h are used"


def _refusal(reason: str, until: datetime, now: datetime, used: int, rule: CooldownRule) -> PermitAnswer:
    if until == _never(now):
        return PermitAnswer(granted=False, reason=reason, used=used, limit=rule.limit)
    wait = max(0.0, (until - now).total_seconds())
    return PermitAnswer(
        granted=False, reason=reason, retry_after_s=wait, next_slot_at=until, used=used, limit=rule.limit
    )


def close(journal: Journal, permit_id: str, state: PermitState, outcome: str) -> Journal:
    """Confirm or release one permit. An unknown id, or one that is closed already, changes nothing."""

    def closed(p: Permit) -> Permit:
        if p.id != permit_id or p.state in {PermitState.CONFIRMED, PermitState.RELEASED}:
            return p
        return p.model_copy(update={"state": state, "outcome": outcome})

    return journal.model_copy(update={"permits": tuple(closed(p) for p in journal.permits)})


def expire(journal: Journal, now: datetime) -> Journal:
    """Mark reservations that ran out. They still count."""

    def expired(p: Permit) -> Permit:
        over = p.state == PermitState.RESERVED and p.expires_at <= now
        return p.model_copy(update={"state": PermitState.EXPIRED}) if over else p

    return journal.model_copy(update={"permits": tuple(expired(p) for p in journal.permits)})


def trim(journal: Journal, now: datetime, keep_s: float) -> Journal:
    """Drop what no window can reach any more, so that the entity's state stays small."""
    since = _before(now, keep_s)
    kept = tuple(p for p in journal.permits if p.granted_at > since)
    return journal.model_copy(update={"permits": kept, "resets": tuple(r for r in journal.resets if r > since)})


def slots(journal: Journal, rules: dict[CooldownClass, CooldownRule], now: datetime) -> tuple[SlotView, ...]:
    """How many of how many are used in each class, and when the next is free."""
    return tuple(
        SlotView(
            cooldown_class=cls,
            used=len(counted(journal, cls, rule.window_s, now)),
            limit=rule.limit,
            window_s=rule.window_s,
            next_slot_at=next_slot(journal, cls, rule, now),
        )
        for cls, rule in rules.items()
    )
