"""Patrols: what is declared, what the probes saw, and what holds a service back."""

from collections.abc import Sequence
from datetime import datetime

from adapters.database.pool import Connection, Pool, execute, first, tell
from adapters.database.text import jsonb
from domain.health import ProbeResult, ServiceHealth
from domain.ids import ServiceId
from domain.inventory import Inventory


class HealthStore:
    """Implements domain.ports.HealthRecords."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def save_inventory(self, inventory: Inventory, at: datetime) -> None:
        """The newest reading wins. A service that is no longer declared is kept and marked as gone."""
        services = inventory.services
        columns = {
            "ids": [s.id for s in services],
            "nodes": [s.node for s in services],
            "names": [s.name for s in services],
            "kinds": [s.kind for s in services],
            "specs": [jsonb(s) for s in services],
            "repositories": [s.repository for s in services],
        }
        whole = {"revision": inventory.revision, "body": jsonb(inventory), "problems": len(inventory.problems)}

        async def work(conn: Connection) -> None:
            if await execute(conn, "save_inventory", {**whole, "at": at}):
                await execute(conn, "save_services", {**columns, "at": at})
                await execute(conn, "mark_services_gone", {"ids": columns["ids"]})
                await tell(conn, "inventory")

        await self._pool.run(work)

    async def load_inventory(self) -> Inventory:
        """As last saved; empty before the first patrol."""
        body = first(await self._pool.scalars("load_inventory"))
        return Inventory() if body is None else Inventory.model_validate(body)

    async def health(self) -> dict[ServiceId, ServiceHealth]:
        """The memory of every service that was ever probed."""
        found = [ServiceHealth.model_validate(body) for body in await self._pool.scalars("list_health")]
        return {health.service: health for health in found}

    async def save_probes(self, results: Sequence[ProbeResult], health: Sequence[ServiceHealth], patrol: str) -> None:
        """All results and memories in one transaction; an older memory never replaces a newer one."""
        probes = {
            "services": [r.service for r in results],
            "probes": [r.probe for r in results],
            "kinds": [r.kind for r in results],
            "statuses": [r.status for r in results],
            "ats": [r.at for r in results],
            "latencies": [r.latency_ms for r in results],
            "summaries": [r.summary for r in results],
            "evidences": [r.evidence for r in results],
            "identities": [r.identity for r in results],
            "patrol": patrol,
        }
        ordered = sorted({h.service: h for h in health}.values(), key=lambda h: h.service)  # one order: no deadlock
        memories = {
            "services": [h.service for h in ordered],
            "statuses": [h.status for h in ordered],
            "sinces": [h.since for h in ordered],
            "lasts": [h.last_probe_at for h in ordered],
            "summaries": [h.summary for h in ordered],
            "bodies": [jsonb(h) for h in ordered],
        }

        async def work(conn: Connection) -> None:
            await execute(conn, "save_probes", probes)
            await execute(conn, "save_health", memories)
            await tell(conn, "health")

        await self._pool.run(work)

    async def patrol_finished(
        self, patrol: str, started: datetime, ended: datetime, services: int, failing: int, opened: int, problems: int
    ) -> None:
        """One row per patrol."""
        params = {
            "id": patrol,
            "started": started,
            "ended": ended,
            "services": services,
            "failing": failing,
            "opened": opened,
            "problems": problems,
        }
        await self._pool.write("save_patrol", params, "health")

    async def hold(self, service: ServiceId, at: datetime) -> str:
        """Why nothing may be opened for this service now; "" where nothing holds it back."""
        row = first(await self._pool.rows("service_hold", {"service": service, "at": at}))
        if row is None:
            return ""
        kind, until, reason = row
        return f"{kind} until {until:%Y-%m-%d %H:%M} UTC: {reason}"
