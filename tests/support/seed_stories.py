"""Incidents as the product would have written them, from the first failing probe to the end."""

from datetime import datetime, timedelta

from domain.action import ActionState, BlastRadius, Risk
from domain.ids import ActionId, IncidentId, ServiceId, SessionId, approval_id, derived_uuid
from domain.incident import Approval, ApprovalState, IncidentState, Timeline
from domain.ledger import PermitState
from domain.notice import NoticeKind
from domain.session import (
    ModelCall,
    SessionStatus,
)
from tests.support.seed_blocks import (
    BARE,
    TIERS,
    WALLED,
    Stores,
    opened,
    order,
    permit,
    restart,
    services,
    session,
    talk,
    tell,
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
    await session(
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
        restarts="local/blog",
    )
    action = restart(
        incident, two, service.id, at + timedelta(seconds=52), ActionState.DONE, "restarted in 2.1 s; it is running"
    )
    await stores.incidents.save_action(action)
    await stores.incidents.save_permit(permit(action, PermitState.CONFIRMED, action.requested_at))
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
    await tell(stores, incident, "noticed", NoticeKind.NOTICED, "blog does not answer", at + timedelta(seconds=9))
    await tell(
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
    refused = restart(
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
        early = restart(
            incident,
            SessionId(derived_uuid(incident, "2")),
            service.id,
            at - timedelta(minutes=80 * n),
            ActionState.DONE,
            "restarted",
        )
        early = early.model_copy(update={"id": ActionId(f"act_paperless_{n}")})
        await stores.incidents.save_action(early)
        await stores.incidents.save_permit(permit(early, PermitState.CONFIRMED, early.requested_at))
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
    await tell(
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
    action = restart(incident, two, service.id, at + timedelta(seconds=71), ActionState.WAITING, "waits for a person")
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
        blast=BlastRadius(dependents=(ServiceId("local/blog"), ServiceId("local/worker")), sentence="2 services depend on it: local/blog, local/worker; no data is touched."),
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
        two, 1, talk(at + timedelta(seconds=33), "Looking at the worker threads now.", end=False)
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
            tier=2,
            input_tokens=18_240,
            output_tokens=911,
            cache_read_tokens=40_112,
            cost_usd=0.0873,
        )
    )
    return incident, two


async def approved(stores: Stores, approval: Approval, by: str, at: datetime) -> None:
    """As the escalation writes it after a decision."""
    decided = approval.model_copy(update={"state": ApprovalState.APPROVED, "decided_at": at, "decided_by": by})
    await stores.incidents.save_approval(decided)
