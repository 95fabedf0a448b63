"""What the stories of a made-up installation are told with: its services, and one row of each kind."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters.database.health import HealthStore
from adapters.database.incidents import IncidentStore
from adapters.database.model_calls import ModelCallStore
from adapters.database.notices import NoticeStore
from adapters.database.pool import Pool
from adapters.database.sessions import SessionStore
from domain.action import Action, ActionKind, ActionState, CooldownClass, Risk, TargetState
from domain.health import HttpProbe, PostgresProbe, ProbeResult, ProbeStatus, TcpProbe
from domain.ids import ActionId, IncidentId, PermitId, ServiceId, SessionId, derived_uuid, permit_id
from domain.incident import Alert, Trigger
from domain.inventory import Service, ServiceKind
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
TOOLS = ["Read", "mcp__tiercel__logs", "mcp__tiercel__act"]
LOG = """\
[2026-11-21 08:51:10] \x1b[32mINFO\x1b[0m Ghost is running
[2026-11-21 08:58:02] \x1b[31mERROR\x1b[0m Knex: Timeout acquiring a connection. The pool is probably full.
[2026-11-21 08:58:07] \x1b[33mWARN\x1b[0m request aborted after 5000 ms"""
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


def probe(service: Service, at: datetime, status: ProbeStatus, summary: str = "") -> ProbeResult:
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


async def session(
    stores: Stores, incident: IncidentId, tier: int, at: datetime, seconds: float, summary: str, *, escalate: bool,
    status: SessionStatus = SessionStatus.COMPLETED, isolation: Isolation = WALLED, restarts: str = "",
) -> SessionId:  # fmt: skip
    """One ended process with its output and report."""
    name = SessionId(derived_uuid(incident, str(tier)))
    await stores.sessions.session_started(order(incident, name, tier), isolation, scripted=False, at=at)
    lines = talk(at, summary, end=True, restarts=restarts)
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
        tier=tier,
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


def talk(at: datetime, summary: str, *, end: bool, restarts: str = "") -> list[OutputLine]:
    """What a session writes; with `restarts` it asks for that action and is answered."""
    texts = [
        json.dumps({"type": "system", "subtype": "init", "model": "claude-sonnet-5-5", "tools": TOOLS}),
        _said({"type": "text", "text": "I begin with what the probes saw, then the log of the service."}),
        _said({"type": "tool_use", "id": "t", "name": "mcp__tiercel__logs", "input": {"service": "blog", "lines": 40}}),
        _answered(LOG),
        _said({"type": "thinking", "thinking": "All workers wait for a connection that nobody gives back."}),
    ]
    if restarts:
        wish = {"kind": "restart", "target": restarts, "reason": "Hung: TCP connects, HTTP never answers."}
        texts += [
            _said({"type": "text", "text": "Nothing else explains it. A restart frees the pool; no data is touched."}),
            _said({"type": "tool_use", "id": "t", "name": "mcp__tiercel__act", "input": wish}),
            _answered(f"restart of {restarts}: done. Permit 1 of 2 in 4 h. It was restarted in 2.1 s and is running."),
        ]
    texts.append(_said({"type": "text", "text": summary}))
    if end:
        result: dict[str, object] = {"type": "result", "subtype": "success", "is_error": False, "num_turns": 4}
        texts.append(json.dumps({**result, "total_cost_usd": 0.0421, "structured_output": {"summary": summary}}))
    return [OutputLine(seq=n, at=at + timedelta(seconds=n), text=text) for n, text in enumerate(texts, start=1)]


def _said(*blocks: dict[str, object]) -> str:
    return json.dumps({"type": "assistant", "message": {"role": "assistant", "content": list(blocks)}})


def _answered(text: str) -> str:
    block = {"type": "tool_result", "tool_use_id": "t", "content": text, "is_error": False}
    return json.dumps({"type": "user", "message": {"role": "user", "content": [block]}})


async def opened(
    stores: Stores,
    incident: IncidentId,
    service: Service,
    at: datetime,
    summary: str,
    workflow_id: str,
) -> None:
    failing = probe(service, at, ProbeStatus.FAIL)
    alert = Alert(
        service=service.id, affected=(service.id,), trigger=Trigger.PATROL, results=(failing,), summary=summary, at=at
    )
    await stores.incidents.incident_opened(
        incident, alert, workflow_id, "5f1c0e0a-run", dry_run=False, scripted=False, requested_by="", prompt=""
    )


def restart(
    incident: IncidentId, by: SessionId, target: ServiceId, at: datetime, state: ActionState, message: str
) -> Action:
    before = TargetState(running=True, status="running", identity="8f2e11c0a4d7", started_at="2026-11-19T06:02:11Z")
    after = TargetState(running=True, status="running", identity="8f2e11c0a4d7", started_at=f"{at:%Y-%m-%dT%H:%M:%SZ}")
    finished = None if state == ActionState.WAITING else at + timedelta(seconds=2)
    return Action(
        id=ActionId(f"act_{incident[-12:]}"), incident=incident, session=by, tool_use_id="toolu_1", tier=2, kind=ActionKind.RESTART, target=target, reason="Hung: TCP connects, HTTP never answers.",
        risk=Risk.LOW, reversible=False, cooldown_class=CooldownClass.RESTART, state=state, message=message, requested_at=at, finished_at=finished, before=before, after=after,
    )  # fmt: skip


def permit(action: Action, state: PermitState, at: datetime) -> Permit:
    return Permit(
        id=PermitId(permit_id(action.id)), service=action.target, kind=action.kind, cooldown_class=action.cooldown_class, state=state,
        granted_at=at, expires_at=at + timedelta(minutes=10), holder=action.incident, outcome="done",
    )  # fmt: skip


async def tell(
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
