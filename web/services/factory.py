"""The read service and the act service over one open pool: for pages, commands and the demo alike."""

import secrets
from dataclasses import dataclass

from adapters.database.audit import AuditStore
from adapters.database.budget import BudgetStore
from adapters.database.costs import CostReads
from adapters.database.incidents import IncidentStore
from adapters.database.links import LinkStore
from adapters.database.logins import LoginStore
from adapters.database.memories import MemoryStore
from adapters.database.people import PeopleStore
from adapters.database.pool import Pool
from adapters.database.reads import Reads
from adapters.engine.budget import TemporalBudget
from adapters.engine.client import TemporalEscalations, TemporalLedger
from adapters.engine.history import TemporalHistory
from adapters.engine.look import EngineLook
from adapters.engine.schedules import TemporalSchedules
from adapters.engine.slots import UpdateSlots
from adapters.passwords.argon2 import Argon2
from config import temporal
from config.clock import SystemClock
from config.logging import secrets_of
from config.settings import Settings
from domain.ports import Clock
from policy.redaction import redactor
from web.services.actions import PATIENCE_S, Actions
from web.services.budgets import BudgetViews
from web.services.costs import CostViews
from web.services.engine_link import EngineLink
from web.services.examinations import Examinations
from web.services.histories import Histories
from web.services.insights import Insights
from web.services.links import LinkDesk
from web.services.logins import Logins
from web.services.memories import MemoryBook
from web.services.metrics import Metrics
from web.services.people import People
from web.services.schedules import Schedules
from web.services.tokens import Random


@dataclass(frozen=True)
class Services:
    """What every front end works with. `reads` is for what no page shows in that form."""

    settings: Settings
    reads: Reads
    insights: Insights
    costs: CostViews
    budgets: BudgetViews
    actions: Actions
    schedules: Schedules
    engine: EngineLink
    examinations: Examinations
    histories: Histories
    memories: MemoryBook
    metrics: Metrics
    logins: Logins
    people: People
    links: LinkDesk


def services(settings: Settings, pool: Pool) -> Services:
    """Connects to Temporal only when something is acted upon."""
    clock, reads = SystemClock(), Reads(pool)
    engine = EngineLink(lambda: temporal.connect(settings))
    escalations = TemporalEscalations(
        engine.client, settings.escalation_policy, lambda: settings.dry_run, clock, PATIENCE_S
    )
    slots = UpdateSlots(settings.home / "run")
    actions = Actions(
        client=engine.client,
        ledger=TemporalLedger(engine.client, slots, PATIENCE_S),
        escalations=escalations,
        records=IncidentStore(pool),
        clock=clock,
        tiers=settings.tiers,
        approval=reads.approval,
    )
    schedules = Schedules(TemporalSchedules(engine.client, PATIENCE_S), engine, IncidentStore(pool), clock, settings)
    insights = Insights(reads, settings, clock)
    costs = CostViews(CostReads(pool), settings, clock)
    ask = TemporalBudget(engine.client, slots, PATIENCE_S)
    budgets = BudgetViews(BudgetStore(pool), costs, ask, engine, settings, clock)
    look = EngineLook(engine.client, clock)
    metrics = Metrics(insights, costs, budgets, look, engine)
    histories = Histories(TemporalHistory(engine.client, PATIENCE_S), look, engine)
    examinations = Examinations(reads, engine, look, IncidentStore(pool), clock, settings)
    rule, redact = settings.memory_rule, redactor(secrets_of(settings))
    memories = MemoryBook(MemoryStore(pool, rule), reads.inventory, rule, clock, redact)
    logins, people = accounts(pool, clock)
    desk = LinkDesk(
        LinkStore(pool, login=settings.web_login),
        PeopleStore(pool),
        logins,
        actions,
        AuditStore(pool),
        clock,
        login=settings.web_login,
    )
    return Services(
        settings,
        reads,
        insights,
        costs,
        budgets,
        actions,
        schedules,
        engine,
        examinations,
        histories,
        memories,
        metrics,
        logins,
        people,
        desk,
    )


def accounts(pool: Pool, clock: Clock, random: Random = secrets.token_bytes) -> tuple[Logins, People]:
    """Who may come in, and who is there."""
    store, people, audit, passwords = LoginStore(pool), PeopleStore(pool), AuditStore(pool), Argon2()
    logins = Logins(store, people, audit, passwords, clock, random)
    return logins, People(people, store, logins, audit, passwords, clock, random)
