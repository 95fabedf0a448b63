"""All that pages and commands read from the record. Nothing here writes.

Lists come in pages by key, never by offset: `after` is the `next` of the page before. Times come from the caller,
in UTC, so that "today" can be the owner's day.
"""

from dataclasses import fields
from datetime import datetime
from typing import TypeVar

from adapters.database.lists import ListReads
from adapters.database.output import OutputStore
from adapters.database.paging import cursor_of, page, position
from adapters.database.pool import Pool, first
from adapters.database.records import (
    AuditFilter,
    AuditRow,
    Counts,
    IncidentDetail,
    IncidentFilter,
    IncidentRow,
    LedgerNoteRow,
    ModelUse,
    NoticeRow,
    Overview,
    Page,
    PatrolRow,
    ServiceDetail,
    ServiceRow,
    SessionRow,
    TimelineRow,
)
from domain.action import Action
from domain.health import ProbeResult, ServiceHealth
from domain.ids import ServiceId, SessionId
from domain.incident import Approval, IncidentState, Trigger
from domain.inventory import Inventory, Service
from domain.ledger import Permit
from domain.session import OutputLine

T = TypeVar("T")
TIERS = (0, 1, 2, 3)  # 0: no session was begun
_EVERY_SERVICE: dict[str, object] = {
    **dict.fromkeys(("id", "statuses", "unstable_since", "after_rank", "after_id", "limit")),
    **dict.fromkeys(("node", "tag", "text"), ""),
}


def _fields(which: IncidentFilter | AuditFilter) -> dict[str, object]:
    return {f.name: getattr(which, f.name) for f in fields(which)}


def _by_words(which: IncidentFilter) -> bool:
    """Whether more is asked than one index answers."""
    return bool(which.states or which.trigger or which.tier or (which.tried and (which.service or which.node)))


def _words(which: IncidentFilter) -> dict[str, object]:
    """Every word that each filter lets through."""
    tiers = (which.tier,) if which.tier else TIERS[1:] if which.tried else TIERS
    return {
        "states": list(which.states or map(str, IncidentState)),
        "triggers": [which.trigger] if which.trigger else list(map(str, Trigger)),
        "tiers": list(tiers),
    }


class Reads:
    """Typed reads. Every method raises RecordUnavailableError where Postgres cannot be used."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._output = OutputStore(pool)
        self.lists = ListReads(pool)

    # ------------------------------------------------------------ overview

    async def overview(self, since: datetime) -> Overview:
        """The start page; `since` is where today began."""
        counts = (await self._pool.values("count_overview", Counts))[0]
        live = await self._pool.values("list_live_incidents", IncidentRow, {"limit": 20})
        return Overview(counts, await self.model_use(since), first(await self.patrols(1)), tuple(live))

    async def model_use(self, since: datetime, until: datetime | None = None) -> ModelUse:
        """Tokens and money of all model requests in [since, until)."""
        return (await self._pool.values("sum_model_calls", ModelUse, {"since": since, "until": until}))[0]

    async def patrols(self, limit: int = 20) -> tuple[PatrolRow, ...]:
        """The newest patrols."""
        return tuple(await self._pool.values("list_patrols", PatrolRow, {"limit": limit}))

    async def server(self) -> tuple[str, int, int]:
        """Version of Postgres, bytes of the record, number of its newest migration."""
        version, size, schema = (await self._pool.rows("server_facts"))[0]
        return str(version), int(size), int(schema)

    # ------------------------------------------------------------ incidents

    async def incidents(
        self, which: IncidentFilter | None = None, after: str = "", limit: int = 50
    ) -> Page[IncidentRow]:
        """Incidents, newest first."""
        which = which or IncidentFilter()
        if which.service and which.node not in {"", which.service.partition("/")[0]}:
            return Page((), "")
        place = {"service": which.service, "node": "" if which.service else which.node}
        params = {**_fields(which), **place, **position(after), "limit": limit + 1}
        name = "list_incidents_by_words" if _by_words(which) else "list_incidents"
        rows = await self._pool.chosen(name, IncidentRow, {**params, **_words(which)})
        return page(rows, limit, lambda row: cursor_of(row.opened_at, row.id))

    async def incident(self, incident: str) -> IncidentDetail | None:
        """One incident by its whole id, or by the beginning of it where only one fits."""
        found = await self._pool.values("find_incident", IncidentDetail, {"id": incident})
        exact = [row for row in found if row.id == incident]
        return exact[0] if exact else (found[0] if len(found) == 1 else None)

    async def timeline(self, incident: str, limit: int = 1000) -> tuple[TimelineRow, ...]:
        """An incident's history, oldest first; of more than `limit` entries the newest."""
        return tuple(await self._pool.values("list_timeline", TimelineRow, {"incident": incident, "limit": limit}))

    async def sessions_of(self, incident: str) -> tuple[SessionRow, ...]:
        """All processes of all sessions of an incident, oldest first."""
        return tuple(await self._pool.values("sessions_of_incident", SessionRow, {"incident": incident}))

    async def actions_of(self, incident: str) -> tuple[Action, ...]:
        """All actions of an incident, oldest first."""
        bodies = await self._pool.scalars("actions_of_incident", {"incident": incident})
        return tuple(Action.model_validate(body) for body in bodies)

    async def action(self, action: str) -> Action | None:
        """One action by id."""
        body = first(await self._pool.scalars("find_action", {"id": action}))
        return None if body is None else Action.model_validate(body)

    async def actions_on(self, service: str, limit: int = 50) -> tuple[Action, ...]:
        """The newest actions on a service."""
        bodies = await self._pool.scalars("newest_actions_on_target", {"target": service, "limit": limit})
        return tuple(Action.model_validate(body) for body in bodies)

    async def model_use_of(self, incident: str) -> ModelUse:
        """Tokens and money of one incident."""
        return (await self._pool.values("sum_model_calls_of_incident", ModelUse, {"incident": incident}))[0]

    # ------------------------------------------------------------ sessions

    async def sessions(self, after: str = "", limit: int = 50) -> Page[SessionRow]:
        """All processes of sessions, newest first."""
        rows = await self._pool.values("list_sessions", SessionRow, {**position(after), "limit": limit + 1})
        return page(rows, limit, lambda row: cursor_of(row.started_at, f"{row.id}:{row.attempt}"))

    async def session(self, session: str, attempt: int | None = None) -> SessionRow | None:
        """One process of a session; without `attempt` the newest."""
        params = {"id": session, "attempt": attempt}
        return first(await self._pool.values("find_session", SessionRow, params))

    async def read_output(
        self, session: SessionId, attempt: int, after_seq: int = 0, limit: int = 1000
    ) -> list[OutputLine]:
        """The lines after `after_seq`. Empty means that there is nothing newer."""
        return await self._output.read_output(session, attempt, after_seq, limit)

    async def last_seq(self, session: SessionId, attempt: int) -> int:
        """The number of the newest line, 0 where there is none."""
        return await self._output.last_seq(session, attempt)

    # ------------------------------------------------------------ approvals

    async def approvals_pending(self) -> tuple[Approval, ...]:
        """Those that wait for a person, oldest first."""
        return tuple(Approval.model_validate(body) for body in await self._pool.scalars("list_pending_approvals"))

    async def approvals_decided(self, after: str = "", limit: int = 50, state: str = "") -> Page[Approval]:
        """Those that are over, newest request first; of one or all states."""
        params = {**position(after), "limit": limit + 1, "state": state}
        bodies = await self._pool.scalars("list_decided_approvals", params)
        rows = [Approval.model_validate(body) for body in bodies]
        return page(rows, limit, lambda row: cursor_of(row.requested_at, row.id))

    async def approvals_of(self, incident: str) -> tuple[Approval, ...]:
        """All approvals of an incident, oldest first."""
        bodies = await self._pool.scalars("approvals_of_incident", {"incident": incident})
        return tuple(Approval.model_validate(body) for body in bodies)

    async def approval(self, approval: str) -> Approval | None:
        """One approval by id."""
        body = first(await self._pool.scalars("find_approval", {"id": approval}))
        return None if body is None else Approval.model_validate(body)

    # ------------------------------------------------------------ services

    async def inventory(self) -> Inventory:
        """As last saved, with its problems; empty before the first patrol."""
        body = first(await self._pool.scalars("load_inventory"))
        return Inventory() if body is None else Inventory.model_validate(body)

    async def services(self, *, gone: bool = False) -> tuple[ServiceRow, ...]:
        """All declared services, worst health first; with `gone` also those that are no longer declared."""
        return tuple(await self._pool.chosen("list_services", ServiceRow, {**_EVERY_SERVICE, "gone": gone}))

    async def service(self, service: str) -> ServiceDetail | None:
        """One service by canonical id."""
        row = first(
            await self._pool.chosen("list_services", ServiceRow, {**_EVERY_SERVICE, "gone": True, "id": service})
        )
        rest = first(await self._pool.rows("find_service", {"id": service}))
        if row is None or rest is None:
            return None
        spec, health, first_seen, last_seen = rest
        memory = ServiceHealth.model_validate(health) if health else ServiceHealth(service=ServiceId(service))
        return ServiceDetail(row, Service.model_validate(spec), memory, first_seen, last_seen)

    async def probe_results(self, service: str, limit: int = 50) -> tuple[ProbeResult, ...]:
        """The newest results of a service."""
        params = {"services": [service], "limit": limit}
        return tuple(await self._pool.values("newest_probe_results", ProbeResult, params))

    # ------------------------------------------------------------ ledger

    async def permits(self, since: datetime, service: str | None = None) -> tuple[Permit, ...]:
        """Permits granted at or after `since`, of one or all services, newest first."""
        return tuple(await self._pool.values("list_permits", Permit, {"since": since, "service": service}))

    async def ledger_notes(self, service: str | None = None) -> tuple[LedgerNoteRow, ...]:
        """The newest note of each kind, of one or all services."""
        return tuple(await self._pool.values("list_ledger_notes", LedgerNoteRow, {"service": service}))

    # ------------------------------------------------------------ notices and audit

    async def notices(self, after: str = "", limit: int = 50) -> Page[NoticeRow]:
        """What was sent where, newest first."""
        rows = await self._pool.values("list_notices", NoticeRow, {**position(after), "limit": limit + 1})
        return page(rows, limit, lambda row: cursor_of(row.at, f"{row.channel} {row.key}"))

    async def notices_of(self, incident: str) -> tuple[NoticeRow, ...]:
        """What was sent about an incident, oldest first."""
        return tuple(await self._pool.values("notices_of_incident", NoticeRow, {"incident": incident}))

    async def audit(self, after: str = "", limit: int = 50, which: AuditFilter | None = None) -> Page[AuditRow]:
        """Who did what, newest first."""
        params = {**_fields(which or AuditFilter()), **position(after), "limit": limit + 1}
        rows = await self._pool.chosen("list_audit", AuditRow, params)
        return page(rows, limit, lambda row: cursor_of(row.at, str(row.id)))
