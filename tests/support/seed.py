"""A believable installation in the record: for browser tests, for pictures, and for looking at pages by hand.

Run `python -m tests.support.seed` with DATABASE_URL set to fill a database.
"""

import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from adapters.database.memories import MemoryStore, Writer
from adapters.database.pool import Pool
from domain.health import ProbeResult, ProbeStatus, ServiceHealth, ServiceStatus
from domain.ids import IncidentId, MemoryId, SessionId, derived_uuid
from domain.inventory import Inventory, InventoryProblem
from domain.memory import Learned, Memory, MemoryCategory, MemoryRule
from tests.support.seed_blocks import LOCAL, WALLED, Stores, opened, order, probe, services
from tests.support.seed_stories import approved, handed_over, resolved, running, self_healed, waiting

__all__ = ["WALLED", "Stores", "approved", "busy", "opened", "order", "quiet", "services"]


async def quiet(pool: Pool, now: datetime) -> None:
    """Everything is up, one incident lies behind, nothing waits."""
    stores = Stores.on(pool)
    await _inventory(stores, now)
    await _day_of_probes(stores, now, down=())
    await resolved(stores, now - timedelta(hours=9))
    await self_healed(stores, now - timedelta(hours=31))
    await stores.health.patrol_finished(
        "patrol-quiet", now - timedelta(minutes=12, seconds=4), now - timedelta(minutes=12), 11, 0, 0, 0
    )


async def busy(pool: Pool, now: datetime) -> None:
    """A decision waits, a session runs, one thing was handed over, one is done."""
    stores = Stores.on(pool)
    await _inventory(stores, now)
    await _day_of_probes(stores, now, down=("blog", "paperless"))
    await resolved(stores, now - timedelta(hours=9))
    await self_healed(stores, now - timedelta(hours=31))
    await handed_over(stores, now - timedelta(minutes=52))
    await waiting(stores, now - timedelta(minutes=6))
    await running(stores, now - timedelta(seconds=95))
    await _audit(stores, now)
    await _memories(MemoryStore(pool, MemoryRule()), now)
    await stores.health.patrol_finished(
        "patrol-busy", now - timedelta(minutes=2, seconds=6), now - timedelta(minutes=2), 11, 2, 1, 1
    )


async def _inventory(stores: Stores, now: datetime) -> None:
    problem = InventoryProblem(
        repository="nas",
        file="CLAUDE-OPS.md",
        field="services.backup.probes",
        message="a backup probe needs a path",
        fix="add `path: /volume1/backup`",
    )
    await stores.health.save_inventory(Inventory(services=services(), problems=(problem,)), now)


async def _day_of_probes(stores: Stores, now: datetime, down: Sequence[str]) -> None:
    results: list[ProbeResult] = []
    health: list[ServiceHealth] = []
    for n, service in enumerate(services()):
        broken = service.name in down
        for step in range(48):
            at = now - timedelta(minutes=30 * (47 - step), seconds=20)
            fails = (broken and step >= 46) or (n % 4 == 1 and step == 20)
            results.append(
                probe(
                    service,
                    at,
                    ProbeStatus.FAIL
                    if fails
                    else ProbeStatus.WARN
                    if n % 5 == 3 and step in {11, 12}
                    else ProbeStatus.OK,
                )
            )
        status = (
            ServiceStatus.DOWN
            if broken
            else ServiceStatus.DEGRADED
            if service.name == "nginx" and down
            else ServiceStatus.UP
        )
        summary = {"down": "no answer within 5 s, the port is open", "degraded": "certificate ends in 12 days"}.get(
            status, ""
        )
        health.append(
            ServiceHealth(
                service=service.id,
                status=status,
                since=now - timedelta(minutes=31 if broken else 2600),
                last_probe_at=now - timedelta(seconds=20),
                summary=summary,
            )
        )
    await stores.health.save_probes(results, health, "seed")


async def _audit(stores: Stores, now: datetime) -> None:
    """People, sessions and code, newest last."""
    told: tuple[tuple[int, str, str, str, str, dict[str, object]], ...] = (
        (540, "session", "5f0c6a4e-blog-2", "action.asked", LOCAL + "blog", {"kind": "restart", "reason": "hung"}),
        (539, "system", "ledger", "permit.granted", LOCAL + "blog", {"class": "restart", "slot": 1, "of": 2}),
        (51, "session", "5f0c6a4e-paperless-2", "action.refused", LOCAL + "paperless", {"reason": "2 of 2 used"}),
        (
            30,
            "web",
            "dashboard (127.0.0.1)",
            "ledger.snooze",
            LOCAL + "jellyfin",
            {"minutes": 60, "reason": "new <disk>"},
        ),
        (5, "session", "5f0c6a4e-postgres-2", "action.asked", LOCAL + "postgres", {"kind": "restart"}),
        (2, "cli", "ada", "patrol.started", "patrol", {}),
    )
    for minutes, kind, actor, action, target, detail in told:
        at = now - timedelta(minutes=minutes)
        await stores.incidents.audit(f"seed-{minutes}", at, kind, actor, action, target, detail)


async def _memories(store: MemoryStore, now: datetime) -> None:
    """Some stated by sessions, one by a person and pinned, one forgotten."""
    blog, general, kinds = LOCAL + "blog", "", MemoryCategory
    stated = (
        (
            61,
            blog,
            kinds.BEHAVIOUR,
            "After a restart the blog answers 503 for about 40 s while it warms its cache.",
            0.9,
        ),
        (20, blog, kinds.REMEDY, "A restart helps only until the next import; the import leaves its lock behind.", 0.8),
        (9, LOCAL + "postgres", kinds.TIMING, "The nightly dump runs from 03:00 to 03:20 and slows every query.", 0.95),
        (
            3,
            general,
            kinds.DEPENDENCY,
            "Everything under *.lan stops answering while the router renews its lease.",
            0.6,
        ),
    )
    for n, (days, service, category, text, sure) in enumerate(stated):
        one = Learned(service=service, category=category, text=text, confidence=sure)
        for again in range(1 + (n == 1)):
            at = now - timedelta(days=days - again)
            incident = IncidentId(("inc_7f3a01c2-blog-0001", "inc_90be77aa-paperless")[again])
            await store.learn(SessionId(derived_uuid(incident, str(n))), incident, (one,), (), at)
    ada = Writer("user", "ada")
    for n, text in enumerate(("The backup disk is at /volume1/backup.", "Restart the router when the blog hangs.")):
        then = now - timedelta(days=2 + n)
        written = Memory(
            id=MemoryId(f"mem_seed_{n}"),
            service=LOCAL + "blog" if n else "nas/backup",
            category=kinds.REMEDY if n else kinds.PLACE,
            text=text,
            confidence=1.0,
            author="ada",
            created_at=then,
            seen_at=then,
        )
        await store.add(written, f"seed-memory-{n}", ada)
        if n:
            await store.forget(written, now - timedelta(hours=7), f"seed-memory-mark-{n}", ada)
        else:
            await store.pin(written, then, f"seed-memory-mark-{n}", ada, on=True)


async def _main() -> None:
    async with Pool(os.environ["DATABASE_URL"]) as pool:
        await (quiet if os.environ.get("SCENE") == "quiet" else busy)(pool, datetime.now(UTC))


if __name__ == "__main__":
    asyncio.run(_main())
