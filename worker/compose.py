"""Which adapter stands behind which port. Nothing else in the product knows all of them."""

import secrets
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.actions import ActionActivities
from activities.briefing import Briefing, Texts, Ways
from activities.budget import BudgetRecordActivities, SessionMoney
from activities.examine import ExaminationActivities
from activities.ledger import LedgerRecordActivities, PermitActivities
from activities.memories import Memories
from activities.notify import NoticeActivities
from activities.patrol import PatrolActivities
from activities.probes import ProbeActivities
from activities.records import RecordActivities
from activities.sessions import SessionActivities, SessionSettings
from activities.upkeep import UpkeepActivities
from adapters.actions.router import EffectRouter
from adapters.containers.choice import select
from adapters.containers.folders import SessionFolders
from adapters.containers.keeper import SpareKeeper, Wanted
from adapters.database.budget import BudgetStore
from adapters.database.health import HealthStore
from adapters.database.incidents import IncidentStore
from adapters.database.links import LinkStore
from adapters.database.memories import MemoryStore
from adapters.database.model_calls import ModelCallStore
from adapters.database.notices import NoticeStore
from adapters.database.pool import Pool
from adapters.database.sessions import SessionStore
from adapters.database.upkeep import UpkeepStore
from adapters.doors.client import GatewayDoors
from adapters.engine.budget import TemporalBudget
from adapters.engine.client import TemporalEscalations, TemporalLedger
from adapters.engine.slots import UpdateSlots
from adapters.inventory.source import RepositorySource
from adapters.notify.apprise_notifier import AppriseNotifier
from adapters.probes.runner import ProbeRunner
from config import library, telemetry
from config.clock import SystemClock
from config.settings import Settings
from domain.ports import Engine
from worker.examiner import PartsExaminer
from worker.registry import Activities


async def compose(
    settings: Settings, pool: Pool, client: Client, redact: Callable[[str], str], stack: AsyncExitStack
) -> Activities:
    """All activities over their real ports. What must be closed is put on `stack`."""
    clock = SystemClock()
    health, incidents, sessions = HealthStore(pool), IncidentStore(pool), SessionStore(pool)
    effects = EffectRouter.from_settings(settings, redact)
    prober = ProbeRunner(
        clock=clock,
        redact=redact,
        units=effects.unit_look,
        containers=effects.container_look,
        commands_dir=settings.commands_dir,
    )
    stack.push_async_callback(prober.close)
    escalations = TemporalEscalations(client, settings.escalation_policy, lambda: settings.dry_run, clock)
    slots = UpdateSlots(settings.home / "run")
    ledger = TemporalLedger(client, slots)
    notifier, notices = AppriseNotifier(settings.apprise_urls), NoticeStore(pool)
    doors = GatewayDoors(settings.home / "run" / "gateway.sock")
    doors_now = GatewayDoors(settings.home / "run" / "gateway.sock", patience_s=3)  # a person waits
    engine = await _engine(settings, health, stack)
    texts = Texts(
        tiers={t: library.tier_prompt(t) for t in (1, 2, 3)},
        library=library.built_in(),
        report_schema=library.report_schema(),
        agents=library.agents(),
    )
    session_settings = SessionSettings(
        sessions_root=settings.home / "sessions", scripted=settings.scripted, credential_kind=settings.credential_kind
    )
    kept = MemoryStore(pool, settings.memory_rule)
    memories = Memories(kept, health, settings.memory_rule, clock)
    return Activities(
        patrol=PatrolActivities(
            RepositorySource(settings.repos_dir, settings.session_image), prober, health, escalations, clock
        ),
        probes=ProbeActivities(prober, health, clock),
        records=RecordActivities(incidents, scripted=settings.scripted),
        ledger_records=LedgerRecordActivities(incidents, clock),
        permits=PermitActivities(ledger),
        budget_records=BudgetRecordActivities(BudgetStore(pool), incidents, settings.budget_limits, clock),
        actions=ActionActivities(effects, prober, health, incidents, clock, dry_run=settings.dry_run),
        notices=NoticeActivities(
            notifier, notices, clock, LinkStore(pool, login=settings.web_login), settings.addresses, redact
        ),
        sessions=SessionActivities(
            engine,
            doors,
            sessions,
            Briefing(
                sessions,
                health,
                texts,
                Ways(domains=settings.domains, by_repositories=settings.repository_domains),
                redact,
                memories,
            ),
            _money(settings, pool, TemporalBudget(client, slots)),
            session_settings,
            redact,
            telemetry.current_traceparent,
            clock,
            secrets.token_bytes,
            memories,
        ),
        upkeep=UpkeepActivities(
            UpkeepStore(pool),
            incidents,
            (engine,),
            workflow_runs(client),
            clock,
            doors,
            SessionFolders(settings.home / "sessions"),
            kept,
        ),
        examinations=ExaminationActivities(PartsExaminer(settings, notifier, notices, doors_now, clock)),
    )


def _money(settings: Settings, pool: Pool, budget: TemporalBudget) -> SessionMoney:
    return SessionMoney(budget, ModelCallStore(pool), BudgetStore(pool), limited=settings.budget_limits.any)


async def _engine(settings: Settings, health: HealthStore, stack: AsyncExitStack) -> Engine:
    """The engine of sessions, with a runner that waits for the next one.

    Whoever waits for a session waits for tier 1. It reads the repositories that the last patrol found.
    """
    engine = await select(settings, scripted=settings.scripted)

    async def wanted() -> Wanted:
        inventory = await health.load_inventory()
        repositories = (Path(r.path) for r in inventory.repositories)
        return Wanted(limits=settings.tiers[0].limits, read_only=tuple(p for p in repositories if p.is_dir()))

    count = min(settings.spare_runners, settings.max_sessions)
    await stack.enter_async_context(SpareKeeper(engine, settings.home / "sessions", count, wanted).keeping())
    return engine


def workflow_runs(client: Client) -> Callable[[str], Awaitable[bool]]:
    """Whether a workflow is open. Doubt counts as open: nothing is called lost because a server was busy."""

    async def runs(workflow_id: str) -> bool:
        try:
            described = await client.get_workflow_handle(workflow_id).describe()
        except RPCError as e:
            return e.status != RPCStatusCode.NOT_FOUND
        return described.close_time is None

    return runs
