"""What a session is told, gathered from the record and the inventory."""

import asyncio
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from activities.memories import Memories
from claude.argv import SessionPlan
from claude.library import Library
from claude.prompt import Material, compose
from domain.agent import ACT, BUILT_IN_TOOLS, Agent, Granted
from domain.base import Value
from domain.inventory import Inventory, RepositoryNotes, Service
from domain.ports import HealthRecords, IncidentBrief, SessionFolder, SessionRecords
from domain.session import SessionOrder
from policy.actions import reach
from policy.bait import hold
from policy.container import tighten
from policy.egress import MAX_DOMAINS
from policy.tools import grant


class Texts(Value):
    """The words that come with Tiercel, read once by whoever builds the worker."""

    tiers: dict[int, str]
    library: Library
    report_schema: dict[str, Any]
    agents: dict[int, Agent] = {}


class Briefed(Value):
    """The plan of one process, and the repositories that it may read."""

    plan: SessionPlan
    granted: Granted
    read_only: tuple[Path, ...] = ()
    refusal: str = ""  # why it must not start, or ""


class Ways(Value):
    """Where sessions may go: the owner's list for all, and whether repositories may add for their own services."""

    domains: tuple[str, ...] = ()
    by_repositories: bool = False


class Briefing:
    """Composes prompts from what the record holds at this moment."""

    def __init__(
        self,
        records: SessionRecords,
        health: HealthRecords,
        texts: Texts,
        ways: Ways | None = None,
        redact: Callable[[str], str] = str,
        memories: Memories | None = None,
    ) -> None:
        self._records = records
        self._health = health
        self._texts = texts
        self._ways = ways or Ways()
        self._redact = redact
        # The same for one session after the other, and long: a pass over it takes longer than all the rest of a plan.
        self._redact_system = lru_cache(maxsize=16)(redact)
        self._memories = memories

    def granted(self, tier: int) -> Granted:
        """The tools of a session of this tier, as far as no repository has a say."""
        return grant(tier, self._texts.agents.get(tier))

    async def plan(self, order: SessionOrder, folder: SessionFolder, credential_kind: str, traceparent: str) -> Briefed:
        """Everything that one process of a session needs to know. Telemetry is on where there is a trace to join."""
        brief, inventory = await asyncio.gather(
            self._records.incident_brief(order.incident), self._health.load_inventory()
        )
        about = (brief.service, *brief.affected)
        known = await self._memories.recall(about, order.incident) if self._memories else ()
        concerned = _repositories(inventory, brief)
        tightened = tighten(order.tier, [r.container for r in concerned])
        granted = grant(order.tier.tier, self._texts.agents.get(order.tier.tier), concerned)
        prompts = compose(
            Material(
                session=order.session,
                tier=order.tier.tier,
                tier_text=self._texts.tiers[order.tier.tier],
                brief=brief,
                services=_concerned(inventory, brief),
                repositories=inventory.repositories,
                library=self._texts.library,
                memories=known,
                person=order.prompt,
                dry_run=order.dry_run,
                resume=order.resume,
            )
        )
        repositories = tuple(Path(r.path) for r in inventory.repositories)
        plan = SessionPlan(
            session=order.session,
            attempt=order.attempt,
            tier=tightened.tier,
            resume=order.resume,
            system_prompt=self._redact_system(prompts.system),
            prompt=self._redact(prompts.user),
            report_schema=self._texts.report_schema,
            credential_kind=credential_kind,
            claude_config=folder.claude_config,
            add_dirs=repositories,
            tools=tuple(t for t in BUILT_IN_TOOLS if t in granted.tools),
            acts=ACT in granted.tools,
            domains=self._domains(order, inventory, brief),
            traceparent=traceparent,
            otel=bool(traceparent),
            resource_attributes={"tiercel.incident": order.incident, "tiercel.tier": str(order.tier.tier)},
        )
        refusal = hold(brief.bait_seen or "") or tightened.refusal
        return Briefed(plan=plan, granted=granted, read_only=repositories, refusal=refusal)

    def _domains(self, order: SessionOrder, inventory: Inventory, brief: IncidentBrief) -> tuple[str, ...]:
        """The owner's list, what fitting playbooks need, and what the repositories of the failing services name."""
        offered = frozenset(a for s in _concerned(inventory, brief) for a in s.actions)
        playbooks = self._texts.library.playbooks_for(order.tier.tier, offered)
        named = [d for p in playbooks for d in p.domains]
        if self._ways.by_repositories:
            named += [d for r in _repositories(inventory, brief) for d in r.domains]
        return tuple(dict.fromkeys((*self._ways.domains, *named)))[:MAX_DOMAINS]


def _repositories(inventory: Inventory, brief: IncidentBrief) -> tuple[RepositoryNotes, ...]:
    """The repositories of the failing services."""
    failing = {s.repository for s in inventory.services if s.id in {brief.service, *brief.affected}}
    return tuple(r for r in inventory.repositories if r.repository in failing)


def _concerned(inventory: Inventory, brief: IncidentBrief) -> tuple[Service, ...]:
    """The incident's services and all that an action could reach from there; without any, the whole inventory."""
    services = frozenset(s for s in (brief.service, *brief.affected) if s)
    if not services:
        return inventory.services
    reached = reach(inventory, services)
    return tuple(s for s in inventory.services if s.id in reached)
