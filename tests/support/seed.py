"""A believable installation in the record: for browser tests, for pictures, and for looking at pages by hand.

Run `python -m tests.support.seed` with DATABASE_URL set to fill a database.
"""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from adapters.database.health import HealthStore
from adapters.database.incidents import IncidentStore
from adapters.database.model_calls import ModelCallStore
from adapters.database.notices import NoticeStore
from adapters.database.pool import Pool
from adapters.database.sessions import SessionStore
from domain.action import Action, ActionKind, ActionState, BlastRadius, CooldownClass, Risk, TargetState
from domain.health import HttpProbe, PostgresProbe, ProbeResult, ProbeStatus, ServiceHealth, ServiceStatus, TcpProbe
from domain.ids import ActionId, IncidentId, PermitId, ServiceId, SessionId, approval_id, derived_uuid, permit_id
from domain.incident import Alert, Approval, ApprovalState, IncidentState, Timeline, Trigger
from domain.inventory import Inventory, InventoryProblem, Service, ServiceKind
from domain.ledger import Permit, PermitState
from domain.notice import Delivery, Notice, NoticeKind
from domain.session import (
    Isolation,
    ModelCall,
    OutputLine,
    ServiceFinding,
    SessionOrder,
    SessionOutcome,
    SessionStatus,
    TierReport,
    TierSettings,
    Usage,
)

LOCAL = "local/"
TIERS = {
    1: TierSettings(tier=1, name="observe", model="claude-haiku-5-5", timeout_s=300, max_turns=30, budget_usd=0.1),
    2: TierSettings(tier=2, name="investigate", model="claude-sonnet-5-5", timeout_s=900, max_turns=60, budget_usd=1),
    3: TierSettings(tier=3, name="remediate", model="claude-opus-5-5", timeout_s=1800, max_turns=100, budget_usd=4),
}
WALLED = Isolation(engine="process", isolated=True, how="bubblewrap")
BARE = Isolation(engine="process", isolated=False, how="no user namespaces here")


@dataclass(frozen=True)
class Stores:
    """All writers of the record."""

    incidents: IncidentStore
    health: HealthStore
    sessions: SessionStore
    notices: NoticeStore
    calls: ModelCallStore

    @classmethod
    def on(cls, pool: Pool) -> "Stores":
        """Over one pool."""
        return cls(IncidentStore(pool), HealthStore(pool), SessionStore(pool), NoticeStore(pool), ModelCallStore(pool))


def services() -> tuple[Service, ...]:
    """A small household."""
    db = Service(
        id=ServiceId(LOCAL + "postgres"), name="postgres", kind=ServiceKind.CONTAINER, target="blog-db", critical=True, repository="homelab",
        probes=(PostgresProbe(name="select", host="127.0.0.1"),), actions=(ActionKind.RESTART,), approval=(ActionKind.RESTART,), aliases=("db",),
    )  # fmt: skip
    blog = Service(
        id=ServiceId(LOCAL + "blog"), name="blog", kind=ServiceKind.CONTAINER, target="blog-web-1", repository="homelab", depends_on=(db.id,), aliases=("web", "ghost"),
        probes=(HttpProbe(name="front page", url="http://127.0.0.1:2368/"), TcpProbe(name="port", host="127.0.0.1", port=2368)),
        actions=(ActionKind.RESTART, ActionKind.RECREATE), approval=(ActionKind.RECREATE,), notes="Slow for a minute after a restart; that is normal.",
    )  # fmt: skip
    plain = ("worker", "redis", "nginx", "jellyfin", "dns", "paperless", "home-assistant", "vaultwarden")
    rest = tuple(
        Service(
            id=ServiceId(LOCAL + n),
            name=n,
            kind=ServiceKind.UNIT if n == "dns" else ServiceKind.CONTAINER,
            target=n,
            repository="homelab",
            actions=(ActionKind.RESTART,),
        )
        for n in plain
    )
    nas = Service(id=ServiceId("nas/backup"), node="nas", name="backup", kind=ServiceKind.EXTERNAL, repository="nas")
    return (db, blog, *rest, nas)


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
                _probe(
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


def _probe(service: Service, at: datetime, status: ProbeStatus, summary: str = "") -> ProbeResult:
    name = service.probes[0].name if service.probes else "port"
    texts = {
        ProbeStatus.OK: "200 in 18 ms",
        ProbeStatus.WARN: "200, but in 2.4 s",
        ProbeStatus.FAIL: "no answer within 5 s; the port is open",
    }
    evidence = "connected in 0.4 ms\nsent GET / HTTP/1.1\nread 0 bytes in 5.0 s" if status == ProbeStatus.FAIL else ""
    return ProbeResult(
        service=service.id,
        probe=name,
        kind="http",
        status=status,
        at=at,
        latency_ms=5003 if status == ProbeStatus.FAIL else 18,
        summary=summary or texts[status],
        evidence=evidence,
    )


async def resolved(stores: Stores, at: datetime) -> IncidentId:
    """Noticed, investigated, restarted, verified, told."""
    incident, service = IncidentId("inc_7f3a01c2-blog-0001"), services()[1]
    await opened(
        stores,
        incident,
        service,
        at,
        "blog does not answer; its port is open",
        "escalation/local/blog",
    )
    one = await session(
        stores,
        incident,
        1,
        at + timedelta(seconds=8),
        22,
        "blog hangs: TCP connects, HTTP never answers. Database is fine.",
        escalate=True,
    )
    two = await session(
        stores,
        incident,
        2,
        at + timedelta(seconds=34),
        41,
        "Restarted blog; all workers were stuck in a lock.",
        escalate=False,
    )
    action = _restart(
        incident, two, service.id, at + timedelta(seconds=52), ActionState.DONE, "restarted in 2.1 s; it is running"
    )
    await stores.incidents.save_action(action)
    await stores.incidents.save_permit(_permit(action, PermitState.CONFIRMED, action.requested_at))
    for key, seconds, kind, tier, text in (
        ("opened", 0, "opened", 0, "front page failed twice: no answer within 5 s; the port is open"),
        ("t1", 8, "tier_started", 1, "tier 1 began with claude-haiku-5-5"),
        ("t1e", 30, "tier_ended", 1, "tier 1 escalated: a restart is needed and not mine to ask for"),
        ("t2", 34, "tier_started", 2, "tier 2 began with claude-sonnet-5-5"),
        ("act", 54, "action", 2, "restart local/blog: done, 1 of 2 restart slots used"),
        ("ver", 137, "verified", 2, "all probes green for 60 s"),
        ("end", 3900, "closed", 2, "resolved by tier 2, verified and re-checked at +1, +10 and +60 min"),
    ):
        await stores.incidents.timeline(
            f"{incident}/{key}",
            Timeline(incident=incident, at=at + timedelta(seconds=seconds), kind=kind, tier=tier, text=text),
        )
    await _tell(stores, incident, "noticed", NoticeKind.NOTICED, "blog does not answer", at + timedelta(seconds=9))
    await _tell(
        stores,
        incident,
        "fixed",
        NoticeKind.REMEDIATED,
        "blog was restarted and is healthy",
        at + timedelta(seconds=140),
        slow=True,
    )
    await stores.incidents.incident_state(
        incident,
        IncidentState.RESOLVED,
        2,
        "Restarted; all workers were stuck in a lock. Verified for 60 s and re-checked.",
        at + timedelta(seconds=3900),
    )
    del one
    return incident


async def self_healed(stores: Stores, at: datetime) -> IncidentId:
    """Nothing was done, no model was asked."""
    incident, service = IncidentId("inc_11c09e55-redis-002"), services()[3]
    await opened(stores, incident, service, at, "redis did not answer", "escalation/local/redis")
    await stores.incidents.timeline(
        f"{incident}/end",
        Timeline(
            incident=incident, at=at + timedelta(seconds=6), kind="closed", text="recovered by itself; nothing was done"
        ),
    )
    await stores.incidents.incident_state(
        incident, IncidentState.SELF_HEALED, 0, "recovered by itself; nothing was done", at + timedelta(seconds=6)
    )
    return incident


async def handed_over(stores: Stores, at: datetime) -> IncidentId:
    """All tiers tried; a person is told, with a session that had no wall."""
    incident, service = IncidentId("inc_90be77aa-paperless"), next(s for s in services() if s.name == "paperless")
    await opened(stores, incident, service, at, "paperless answers 500", "escalation/local/paperless")
    for tier, offset in ((1, 10), (2, 60), (3, 200)):
        await session(
            stores,
            incident,
            tier,
            at + timedelta(seconds=offset),
            40 + 30 * tier,
            f"Tier {tier}: the disk under /data is read-only since a failed write.",
            escalate=True,
            isolation=BARE if tier == 1 else WALLED,
        )
    refused = _restart(
        incident,
        SessionId(derived_uuid(incident, "2")),
        service.id,
        at + timedelta(seconds=90),
        ActionState.REFUSED,
        "2 of 2 restart permits of the last 4 h are used",
    )
    await stores.incidents.save_action(
        refused.model_copy(
            update={"id": ActionId("act_paperless_refused"), "retry_after_s": 7980.0, "before": None, "after": None}
        )
    )
    for n in (1, 2):
        early = _restart(
            incident,
            SessionId(derived_uuid(incident, "2")),
            service.id,
            at - timedelta(minutes=80 * n),
            ActionState.DONE,
            "restarted",
        )
        early = early.model_copy(update={"id": ActionId(f"act_paperless_{n}")})
        await stores.incidents.save_action(early)
        await stores.incidents.save_permit(_permit(early, PermitState.CONFIRMED, early.requested_at))
    await stores.incidents.timeline(
        f"{incident}/o", Timeline(incident=incident, at=at, kind="opened", text="paperless answers 500")
    )
    await stores.incidents.timeline(
        f"{incident}/r",
        Timeline(
            incident=incident,
            at=at + timedelta(seconds=90),
            kind="action",
            tier=2,
            text="restart local/paperless: refused, 2 of 2 restart permits are used",
        ),
    )
    await stores.incidents.timeline(
        f"{incident}/n",
        Timeline(
            incident=incident,
            at=at + timedelta(seconds=330),
            kind="needs_person",
            tier=3,
            text="no tier could repair it",
        ),
    )
    await _tell(
        stores,
        incident,
        "person",
        NoticeKind.NEEDS_PERSON,
        "paperless needs you",
        at + timedelta(seconds=331),
        lost=True,
    )
    await stores.incidents.incident_state(
        incident,
        IncidentState.NEEDS_PERSON,
        3,
        "The disk under /data is read-only since a failed write; nothing offered here can repair that.",
        at + timedelta(seconds=330),
    )
    return incident


async def waiting(stores: Stores, at: datetime, workflow_id: str = "escalation/local/postgres") -> Approval:
    """A restart of the database that needs a person."""
    incident, service = IncidentId("inc_c4d2210b-postgres"), services()[0]
    await opened(stores, incident, service, at, "postgres refuses new connections: 100 of 100 used", workflow_id)
    await session(
        stores,
        incident,
        1,
        at + timedelta(seconds=7),
        19,
        "Every connection is idle in transaction, all from worker.",
        escalate=True,
    )
    two = await session(
        stores,
        incident,
        2,
        at + timedelta(seconds=30),
        50,
        "Asked to restart postgres; waiting for a person.",
        escalate=False,
        status=SessionStatus.DEFERRED,
    )
    action = _restart(incident, two, service.id, at + timedelta(seconds=71), ActionState.WAITING, "waits for a person")
    action = action.model_copy(
        update={
            "id": ActionId("act_postgres_restart"),
            "risk": Risk.MEDIUM,
            "reason": "All 100 connections are idle in transaction since 14 min; ending them one by one failed.",
            "before": None,
            "after": None,
        }
    )
    approval = Approval(
        id=approval_id(action.id), incident=incident, workflow_id=workflow_id, action=action, digest=action.digest,
        blast=BlastRadius(dependents=(ServiceId("local/blog"), ServiceId("local/worker")), sentence="2 service(s) depend on it: local/blog, local/worker; no data is touched."),
        evidence="select state, count(*) from pg_stat_activity group by 1\n idle in transaction | 99\n active              |  1",
        requested_at=at + timedelta(seconds=71), expires_at=at + timedelta(hours=24),
    )  # fmt: skip
    await stores.incidents.save_action(action.model_copy(update={"approval": approval.id}))
    await stores.incidents.save_approval(approval)
    await stores.incidents.timeline(
        f"{incident}/o",
        Timeline(incident=incident, at=at, kind="opened", text="postgres refuses new connections: 100 of 100 used"),
    )
    await stores.incidents.timeline(
        f"{incident}/a",
        Timeline(
            incident=incident,
            at=at + timedelta(seconds=71),
            kind="approval",
            tier=2,
            text="asked: restart local/postgres",
        ),
    )
    await stores.incidents.incident_state(
        incident,
        IncidentState.WAITING,
        2,
        "Every connection is idle in transaction; a restart would end them.",
        at + timedelta(seconds=72),
    )
    return approval


async def running(stores: Stores, at: datetime) -> tuple[IncidentId, SessionId]:
    """A session that writes now."""
    incident, service = IncidentId("inc_5a77d0e9-blog-0004"), services()[1]
    await opened(stores, incident, service, at, "blog does not answer; its port is open", "escalation/local/blog")
    await session(
        stores, incident, 1, at + timedelta(seconds=8), 21, "blog hangs again; the database is fine.", escalate=True
    )
    two = SessionId(derived_uuid(incident, "2"))
    await stores.sessions.session_started(
        order(incident, two, 2), WALLED, scripted=False, at=at + timedelta(seconds=32)
    )
    await stores.sessions.append_output(
        two, 1, _talk(at + timedelta(seconds=33), "Looking at the worker threads now.", end=False)
    )
    await stores.incidents.timeline(
        f"{incident}/o",
        Timeline(
            incident=incident,
            at=at,
            kind="opened",
            text="front page failed twice: no answer within 5 s; the port is open",
        ),
    )
    await stores.incidents.timeline(
        f"{incident}/t2",
        Timeline(
            incident=incident,
            at=at + timedelta(seconds=32),
            kind="tier_started",
            tier=2,
            text="tier 2 began with claude-sonnet-5-5",
        ),
    )
    await stores.incidents.incident_state(
        incident, IncidentState.OPEN, 2, "blog hangs: TCP connects, HTTP never answers.", at + timedelta(seconds=33)
    )
    await stores.calls.model_call(
        ModelCall(
            id=f"call-{incident}",
            session=two,
            incident=incident,
            at=at,
            model=TIERS[2].model,
            status=200,
            input_tokens=18_240,
            output_tokens=911,
            cache_read_tokens=40_112,
            cost_usd=0.0873,
        )
    )
    return incident, two


async def session(
    stores: Stores, incident: IncidentId, tier: int, at: datetime, seconds: float, summary: str, *, escalate: bool,
    status: SessionStatus = SessionStatus.COMPLETED, isolation: Isolation = WALLED,
) -> SessionId:  # fmt: skip
    """One ended process with its output and report."""
    name = SessionId(derived_uuid(incident, str(tier)))
    await stores.sessions.session_started(order(incident, name, tier), isolation, scripted=False, at=at)
    lines = _talk(at, summary, end=True)
    await stores.sessions.append_output(name, 1, lines)
    finding = ServiceFinding(
        service=str(incident).rsplit("-", 1)[-1],
        status="down",
        cause=summary,
        confidence="high",
        evidence=("curl -m 5 http://127.0.0.1:2368/", "timed out after 5001 ms"),
    )
    report = TierReport(
        summary=summary,
        services=(finding,),
        escalate=escalate,
        escalate_reason="a restart is needed" if escalate else "",
        handoff="The port is open, the process is alive, no request is answered." if escalate else "",
    )
    usage = Usage(
        input_tokens=9_300 * tier, output_tokens=420 * tier, cache_read_tokens=21_000, cost_usd=0.011 * tier**2
    )
    done = status == SessionStatus.COMPLETED
    call = ModelCall(
        id=f"call-{name}",
        session=name,
        incident=incident,
        at=at,
        model=TIERS[tier].model,
        status=200,
        **usage.model_dump(),
    )
    await stores.calls.model_call(call)
    await stores.sessions.session_ended(
        SessionOutcome(
            session=name,
            attempt=1,
            status=status,
            report=report if done else None,
            usage=usage,
            lines=len(lines),
            started_at=at,
            ended_at=at + timedelta(seconds=seconds),
        )
    )
    return name


def order(incident: IncidentId, name: SessionId, tier: int) -> SessionOrder:
    """A session of a tier."""
    return SessionOrder(
        session=name, incident=incident, workflow_id="escalation/local/blog", workflow_run_id="run", tier=TIERS[tier]
    )


def _talk(at: datetime, summary: str, *, end: bool) -> list[OutputLine]:
    def said(*blocks: dict[str, object]) -> str:
        return json.dumps({"type": "assistant", "message": {"role": "assistant", "content": list(blocks)}})

    def answered(text: str, *, error: bool = False) -> str:
        return json.dumps(
            {
                "type": "user",
                "message": {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "t", "content": text, "is_error": error}],
                },
            }
        )

    texts = [
        json.dumps(
            {
                "type": "system",
                "subtype": "init",
                "model": "claude-sonnet-5-5",
                "tools": ["Read", "mcp__tiercel__logs", "mcp__tiercel__restart"],
            }
        ),
        said({"type": "text", "text": "I begin with what the probes saw, then the log of the service."}),
        said({"type": "tool_use", "id": "t", "name": "mcp__tiercel__logs", "input": {"service": "blog", "lines": 40}}),
        answered(
            "[2026-11-21 08:51:10] \x1b[32mINFO\x1b[0m Ghost is running\n[2026-11-21 08:58:02] \x1b[31mERROR\x1b[0m Knex: Timeout acquiring a connection. The pool is probably full.\n[2026-11-21 08:58:07] \x1b[33mWARN\x1b[0m request aborted after 5000 ms"
        ),
        said({"type": "thinking", "thinking": "All workers wait for a connection that nobody gives back."}),
        said({"type": "text", "text": summary}),
    ]
    if end:
        texts.append(
            json.dumps(
                {
                    "type": "result",
                    "subtype": "success",
                    "is_error": False,
                    "num_turns": 4,
                    "total_cost_usd": 0.0421,
                    "structured_output": {"summary": summary},
                }
            )
        )
    return [OutputLine(seq=n, at=at + timedelta(seconds=n), text=text) for n, text in enumerate(texts, start=1)]


async def opened(
    stores: Stores,
    incident: IncidentId,
    service: Service,
    at: datetime,
    summary: str,
    workflow_id: str,
) -> None:
    failing = _probe(service, at, ProbeStatus.FAIL)
    alert = Alert(
        service=service.id, affected=(service.id,), trigger=Trigger.PATROL, results=(failing,), summary=summary, at=at
    )
    await stores.incidents.incident_opened(
        incident, alert, workflow_id, "5f1c0e0a-run", dry_run=False, scripted=False, requested_by="", prompt=""
    )


def _restart(
    incident: IncidentId, by: SessionId, target: ServiceId, at: datetime, state: ActionState, message: str
) -> Action:
    before = TargetState(running=True, status="running", identity="8f2e11c0a4d7", started_at="2026-11-19T06:02:11Z")
    after = TargetState(
        running=True, status="running", identity="8f2e11c0a4d7", started_at=at.isoformat(timespec="seconds")
    )
    finished = None if state == ActionState.WAITING else at + timedelta(seconds=2)
    return Action(
        id=ActionId(f"act_{incident[-12:]}"), incident=incident, session=by, tool_use_id="toolu_1", tier=2, kind=ActionKind.RESTART, target=target, reason="Hung: TCP connects, HTTP never answers.",
        risk=Risk.LOW, reversible=False, cooldown_class=CooldownClass.RESTART, state=state, message=message, requested_at=at, finished_at=finished, before=before, after=after,
    )  # fmt: skip


def _permit(action: Action, state: PermitState, at: datetime) -> Permit:
    return Permit(
        id=PermitId(permit_id(action.id)), service=action.target, kind=action.kind, cooldown_class=action.cooldown_class, state=state,
        granted_at=at, expires_at=at + timedelta(minutes=10), holder=action.incident, outcome="done",
    )  # fmt: skip


async def _tell(
    stores: Stores,
    incident: IncidentId,
    key: str,
    kind: NoticeKind,
    title: str,
    at: datetime,
    *,
    slow: bool = False,
    lost: bool = False,
) -> None:
    notice = Notice(key=f"{incident}/{key}", kind=kind, title=title, body=title, incident=incident)
    await stores.notices.save_delivery(
        notice, Delivery(channel="ntfy-phone", delivered=True, message="accepted after 2 tries" if slow else ""), at
    )
    if lost:
        await stores.notices.save_delivery(
            notice, Delivery(channel="mail", delivered=False, message="connection refused by the mail server"), at
        )


async def approved(stores: Stores, approval: Approval, by: str, at: datetime) -> None:
    """As the escalation writes it after a decision."""
    decided = approval.model_copy(update={"state": ApprovalState.APPROVED, "decided_at": at, "decided_by": by})
    await stores.incidents.save_approval(decided)


async def _main() -> None:
    async with Pool(os.environ["DATABASE_URL"]) as pool:
        await (quiet if os.environ.get("SCENE") == "quiet" else busy)(pool, datetime.now(UTC))


if __name__ == "__main__":
    asyncio.run(_main())
