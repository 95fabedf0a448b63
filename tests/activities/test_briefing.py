"""Where a session may go: what the owner says for all, and what playbooks and repositories name for their own."""

from pathlib import Path
from typing import Any, cast

import pytest

from activities.briefing import Briefed, Briefing, Texts, Ways
from claude.library import library
from domain.action import ActionKind
from domain.ids import IncidentId, ServiceId, SessionId
from domain.inventory import ContainerRules, Inventory, RepositoryNotes, Service, ServiceKind
from domain.ports import IncidentBrief, SessionFolder
from domain.session import SessionOrder, TierSettings

PLAYBOOK = "---\ntitle: Pull\ntier: {tier}\nactions: [restart]\nwhen: old\ndomains: [registry.example.org]\n---\nbody"


def service(name: str, repository: str) -> Service:
    return Service(
        id=ServiceId(f"local/{name}"),
        name=name,
        kind=ServiceKind.UNIT,
        repository=repository,
        actions=(ActionKind.RESTART,),
    )


INVENTORY = Inventory(
    services=(service("web", "shop"), service("mail", "office")),
    repositories=(
        RepositoryNotes(
            repository="shop",
            path="/repos/shop",
            domains=("shop.example.org",),
            container=ContainerRules(
                memory_mb=512,
                timeout_s=30,
                tools=("Read", "Bash"),
                withheld={"act": "people only", "sql_read": "private"},
            ),
        ),
        RepositoryNotes(
            repository="office",
            path="/repos/office",
            domains=("office.example.org",),
            container=ContainerRules(unusable="office/.claude/container.yaml: not YAML"),
        ),
    ),
)


class Records:
    """The record of one incident of local/web."""

    def __init__(self, service: str, bait: str = "") -> None:
        self._service = ServiceId(service)
        self._bait = IncidentId(bait) if bait else None

    async def incident_brief(self, incident: IncidentId) -> IncidentBrief:
        return IncidentBrief(incident=incident, service=self._service, summary="down", bait_seen=self._bait)

    async def load_inventory(self) -> Inventory:
        return INVENTORY


async def domains(ways: Ways, *, tier: int = 2, playbook_tier: int = 3, failing: str = "local/web") -> tuple[str, ...]:
    return (await briefed(ways, tier=tier, playbook_tier=playbook_tier, failing=failing)).plan.domains


async def briefed(
    ways: Ways, *, tier: int = 2, playbook_tier: int = 3, failing: str = "local/web", bait: str = ""
) -> Briefed:
    texts = Texts(
        tiers={tier: "text"},
        library=library({}, {"pull.md": PLAYBOOK.format(tier=playbook_tier)}),
        report_schema={"type": "object"},
    )
    records = cast("Any", Records(failing, bait))
    settings = TierSettings(tier=tier, name="t", model="m", timeout_s=60, max_turns=5, budget_usd=1)
    order = SessionOrder(
        session=SessionId("s"), incident=IncidentId("i"), workflow_id="w", workflow_run_id="r", tier=settings
    )
    return await Briefing(records, records, texts, ways).plan(order, SessionFolder(root=Path("/s")), "api_key", "")


async def test_nothing_is_named_unless_somebody_names_it():
    assert await domains(Ways()) == ()


async def test_the_owners_list_is_for_all_and_a_repositorys_for_its_own_services_if_the_owner_allows():
    assert await domains(Ways(domains=("a.example.org",))) == ("a.example.org",)
    allowed = Ways(domains=("a.example.org",), by_repositories=True)
    assert await domains(allowed) == ("a.example.org", "shop.example.org")
    assert await domains(allowed, failing="local/mail") == ("a.example.org", "office.example.org")
    assert await domains(allowed, failing="") == ("a.example.org",)


@pytest.mark.parametrize(("tier", "named"), [(1, ()), (2, ("registry.example.org",))])
async def test_a_playbooks_places_are_for_sessions_that_may_use_it(tier: int, named: tuple[str, ...]):
    assert await domains(Ways(), tier=tier, playbook_tier=2) == named


async def test_a_repositorys_file_takes_away_from_sessions_for_its_own_services_only():
    shop = (await briefed(Ways())).plan
    assert (shop.tier.limits.memory_mb, shop.tier.timeout_s, shop.tools) == (512, 30, ("Read",))
    assert not shop.acts
    given = (await briefed(Ways())).granted
    assert given.withheld["act"] == "the repository 'shop' withholds it: people only"
    assert set(given.withheld) == {"Grep", "Glob", "act", "sql_read"}
    everything = (await briefed(Ways(), failing="")).plan
    assert everything.acts
    assert (everything.tier.limits.memory_mb, everything.tier.timeout_s) == (1024, 60)
    assert everything.tools == ("Read", "Grep", "Glob")


async def test_a_file_that_cannot_be_used_holds_its_own_sessions_back():
    assert (await briefed(Ways())).refusal == ""
    assert "container.yaml" in (await briefed(Ways(), failing="local/mail")).refusal


async def test_no_session_begins_where_bait_was_carried_outside_and_nobody_knows_why():
    assert (await briefed(Ways())).refusal == ""
    refusal = (await briefed(Ways(), bait="inc_bait")).refusal
    assert "close inc_bait, then ask for a look" in refusal
