"""Discover, probe, decide: one patrol's steps."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar, cast

from temporalio import activity

from activities.beat import beating
from activities.errors import mapped
from domain.errors import FatalError
from domain.health import ProbeResult, ServiceHealth, ServiceStatus
from domain.ids import ServiceId
from domain.incident import Alert, Trigger
from domain.ports import Clock, Escalations, HealthRecords, InventorySource, Prober
from domain.work import AlertOrder, AlertReport, PatrolRecord, Survey, Sweep, SweepOrder
from policy import causes, health

T = TypeVar("T")
AT_ONCE = 8  # incidents opened or told at the same time


class PatrolActivities:
    """Needs the repositories, the probes, the record of health, and somebody to alert."""

    def __init__(
        self, source: InventorySource, prober: Prober, records: HealthRecords, escalations: Escalations, clock: Clock
    ) -> None:
        self._source = source
        self._prober = prober
        self._records = records
        self._escalations = escalations
        self._clock = clock

    @activity.defn
    @mapped
    async def survey(self) -> Survey:
        """Read all mounted repositories and keep what they declare. A broken one is a problem, not a failure."""
        async with beating():
            inventory = await self._source.read()
            await self._records.save_inventory(inventory, self._clock.now())
        for problem in inventory.problems:
            activity.logger.warning("inventory: %s", problem.line())
        return Survey(services=len(inventory.services), problems=len(inventory.problems), revision=inventory.revision)

    @activity.defn
    @mapped
    async def sweep(self, order: SweepOrder) -> Sweep:
        """Probe side by side, store every result, and give back only what is not healthy."""
        async with beating():
            inventory = await self._records.load_inventory()
            chosen = [s for s in inventory.services if s.probes and (not order.only or s.id in order.only)]
            results = await self._prober.probe_all(chosen)
            before = await self._records.health()
            after, sorted_out = self._judge([s.id for s in chosen], results, before)
            await self._records.save_probes(results, after, order.patrol)
        return sorted_out

    def _judge(
        self, services: Sequence[ServiceId], results: Sequence[ProbeResult], before: dict[ServiceId, ServiceHealth]
    ) -> tuple[list[ServiceHealth], Sweep]:
        now = self._clock.now()
        by_service: dict[ServiceId, list[ProbeResult]] = {s: [] for s in services}
        for result in results:
            by_service.setdefault(result.service, []).append(result)
        after: list[ServiceHealth] = []
        verdicts: dict[health.Verdict, list[ServiceId]] = {v: [] for v in health.Verdict}
        recovered: list[ServiceId] = []
        for service, found in by_service.items():
            old = before.get(service, ServiceHealth(service=service))
            new = health.observe(old, found, now)
            after.append(new)
            verdicts[health.verdict(new, found, now)].append(service)
            if old.status == ServiceStatus.DOWN and new.status in {ServiceStatus.UP, ServiceStatus.DEGRADED}:
                recovered.append(service)
        sweep = Sweep(
            services=len(by_service),
            suspect=tuple(verdicts[health.Verdict.SUSPECT]),
            failing=tuple(verdicts[health.Verdict.FAILING]),
            flapping=tuple(verdicts[health.Verdict.FLAPPING]),
            recovered=tuple(recovered),
        )
        return after, sweep

    @activity.defn
    @mapped
    async def raise_alerts(self, order: AlertOrder) -> AlertReport:
        """One incident for one cause; maintenance and snooze hold it back. One that cannot open stops no other."""
        inventory = await self._records.load_inventory()
        now = self._clock.now()
        known = await self._records.health()
        found = causes.group(inventory, order.failing)

        async def raise_one(cause: causes.Cause) -> str | bool:
            reason = await self._records.hold(cause.root, now)
            if reason:
                return reason
            summary = known[cause.root].summary if cause.root in known else ""
            try:
                return await self._escalations.alert(
                    Alert(service=cause.root, affected=cause.affected, trigger=Trigger.PATROL, summary=summary, at=now)
                )
            except FatalError as e:
                activity.logger.error("no incident could be opened for %s: %s", cause.root, e)
                return f"it could not be opened: {e}"[:500]

        async with beating():
            answers = await _side_by_side([raise_one(cause) for cause in found])
        roots = [(cause.root, answer) for cause, answer in zip(found, answers, strict=True)]
        return AlertReport(
            opened=tuple(root for root, answer in roots if answer is True),
            joined=tuple(root for root, answer in roots if answer is False),
            held={root: answer for root, answer in roots if isinstance(answer, str)},
        )

    @activity.defn
    @mapped
    async def tell_recovered(self, sweep: Sweep) -> None:
        """Open escalations learn that a patrol saw their service healthy again."""
        async with beating():
            await _side_by_side([self._escalations.observed(s, healthy=True) for s in sweep.recovered])

    @activity.defn
    @mapped
    async def finish_patrol(self, record: PatrolRecord) -> None:
        """Keep the patrol's own row."""
        await self._records.patrol_finished(
            record.patrol, record.started, record.ended, record.services, record.failing, record.opened, record.problems
        )


async def _side_by_side(work: Sequence[Awaitable[T]]) -> list[T]:
    """All of it, a few at a time. The first fault is raised only after the others had their turn."""
    few = asyncio.Semaphore(AT_ONCE)

    async def one(item: Awaitable[T]) -> T:
        async with few:
            return await item

    answers = await asyncio.gather(*(one(item) for item in work), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return cast("list[T]", answers)
