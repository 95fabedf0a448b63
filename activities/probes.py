"""Proof of health: the same probes, run by us."""

import asyncio
from datetime import datetime

from temporalio import activity

from activities.beat import beating
from activities.errors import mapped
from domain.health import ProbeResult, ProbeStatus
from domain.ids import ServiceId
from domain.incident import Verification
from domain.ports import Clock, HealthRecords, Prober
from domain.work import ProbeOrder, ProbeReport, VerifyOrder
from policy import health
from policy.text import sendable


class ProbeActivities:
    """Probes of single services, stored like those of a patrol."""

    def __init__(self, prober: Prober, records: HealthRecords, clock: Clock) -> None:
        self._prober = prober
        self._records = records
        self._clock = clock

    @activity.defn
    @mapped
    async def probe_now(self, order: ProbeOrder) -> ProbeReport:
        """One round over all probes of the services."""
        async with beating():
            declared, results = await self._round(order.services, order.purpose)
        return ProbeReport(
            green=_all_green(declared, results),
            gone=bool(order.services) and not declared,
            results=_kept(results),
            summary=_summary(results),
        )

    @activity.defn
    @mapped
    async def verify(self, order: VerifyOrder) -> Verification:
        """Green for the whole window, counted from the first green round; a single red round starts anew."""
        started = self._clock.now()
        green_since: datetime | None = None
        results: tuple[ProbeResult, ...] = ()
        async with beating():
            while True:
                declared, results = await self._round(order.services, "verify")
                now = self._clock.now()
                green_since = (green_since or now) if _all_green(declared, results) else None
                green_s = (now - green_since).total_seconds() if green_since else 0.0
                if green_since and green_s >= order.window_s:
                    return Verification(
                        verified=True, green_s=green_s, results=_kept(results), summary=f"green for {green_s:.0f} s"
                    )
                if (now - started).total_seconds() >= order.timeout_s and not green_since:
                    return Verification(
                        verified=False, green_s=green_s, results=_kept(results), summary=_summary(results)
                    )
                if (now - started).total_seconds() >= order.timeout_s + order.window_s:
                    return Verification(
                        verified=False,
                        green_s=green_s,
                        results=_kept(results),
                        summary="never green for the whole window",
                    )
                await asyncio.sleep(order.interval_s)

    async def _round(
        self, ids: tuple[ServiceId, ...], purpose: str
    ) -> tuple[tuple[ServiceId, ...], tuple[ProbeResult, ...]]:
        """The services that are still declared, and their results. What left the inventory holds nothing up."""
        inventory = await self._records.load_inventory()
        declared = tuple(i for i in ids if inventory.by_id(i) is not None)
        services = [s for s in inventory.services if s.id in ids and s.probes]
        results = await self._prober.probe_all(services)
        before = await self._records.health()
        now = self._clock.now()
        after = [
            health.observe(before[s.id], [r for r in results if r.service == s.id], now)
            for s in services
            if s.id in before
        ]
        await self._records.save_probes(results, after, purpose)
        return declared, results


def _kept(results: tuple[ProbeResult, ...]) -> tuple[ProbeResult, ...]:
    """What a history keeps: the evidence stays in the record, and a lone surrogate could not be sent at all."""
    return tuple(
        r.model_copy(update={"evidence": "", "summary": sendable(r.summary), "identity": ""}) for r in results[:40]
    )


def _all_green(ids: tuple[ServiceId, ...], results: tuple[ProbeResult, ...]) -> bool:
    return bool(ids) and all(health.is_green([r for r in results if r.service == i]) for i in ids)


def _summary(results: tuple[ProbeResult, ...]) -> str:
    bad = [f"{r.service} {r.probe}: {r.summary}" for r in results if r.status in {ProbeStatus.FAIL, ProbeStatus.ERROR}]
    return sendable("; ".join(bad[:5]))[:2000] or ("all probes are green" if results else "no probe ran")
