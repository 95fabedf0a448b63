"""Two restarts within four hours: the third is refused whatever it is called, whoever asks, and whatever was lost."""

import asyncio
import re
import shutil
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from adapters.database.records import IncidentDetail
from adapters.engine.client import TemporalLedger
from adapters.engine.slots import UpdateSlots
from demo.faults import FAULTS
from domain.action import Action, ActionKind, ActionState, CooldownClass
from domain.ids import PermitId, ServiceId
from domain.incident import CLOSED_STATES
from domain.ledger import CooldownRule, PermitRequest
from tests.e2e.story import host_log
from tests.e2e.theatre import FAST, SCENARIOS, TESTER, Theatre, theatre

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(240),
    pytest.mark.slow,
    pytest.mark.postgres,
    pytest.mark.temporal,
    pytest.mark.cli,
    pytest.mark.isolation,
]

WEB = ServiceId("local/web")
OWNERS = {"restart_limit": 2, "restart_window_s": 14_400.0, "interval_s": 3600}
_ORDERS = re.compile(r"^host: (?:start|restart) web: web was \w+ed$", re.MULTILINE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here() -> AsyncIterator[Theatre]:
    """The owner's own limits; no patrol but those that a test asks for. The tests below follow each other."""
    async with theatre(SCENARIOS / "spellings.yaml", {**FAST, **OWNERS}) as found:
        await found.all_up()
        yield found


def effects(here: Theatre) -> int:
    """What the service manager was really ordered to do, by its own record."""
    return len(_ORDERS.findall(host_log(here)))


async def ask(here: Theatre, service: str, *wishes: str) -> tuple[Action, ...]:
    """Break web, and let a person's session ask. Gives its actions when it has ended."""
    if (await here.host.state("web")).running:
        await FAULTS["crashed"].inject(here.host)
    prompt = "tries: " + " ".join(f"{wish} |" for wish in wishes)
    act = await here.here.actions.look(service, prompt, 2, TESTER)
    for _ in range(50):
        if act.accepted:
            break
        await asyncio.sleep(0.2)  # the record says closed a moment before the workflow is over
        act = await here.here.actions.look(service, prompt, 2, TESTER)
    assert act.accepted, act.message

    async def over() -> IncidentDetail | None:
        row = await here.here.reads.incident(act.incident)
        return row if row is not None and row.state in CLOSED_STATES else None

    await here.until(f"the end of {act.incident}", over)
    return await here.here.reads.actions_of(act.incident)


def refused(actions: tuple[Action, ...], wishes: int) -> None:
    """Each with the time of the next slot, within the window."""
    assert [a.state for a in actions] == [ActionState.REFUSED] * wishes, [(a.state, a.message) for a in actions]
    for action in actions:
        assert action.target == WEB
        said = re.search(r"next slot at (\S+)\. Nothing was done", action.message)
        assert said, action.message
        slot = datetime.fromisoformat(said.group(1))
        assert timedelta(hours=3, minutes=45) < slot - datetime.now(UTC) <= timedelta(hours=4)


async def test_two_restarts_are_granted_under_two_names(here: Theatre) -> None:
    (first,) = await ask(here, WEB, "restart local/web")
    (second,) = await ask(here, WEB, "start SHOP")
    assert (first.state, second.state) == (ActionState.DONE, ActionState.DONE)
    assert effects(here) == 2


async def test_the_third_is_refused_under_every_spelling(here: Theatre) -> None:
    refused(await ask(here, WEB, "restart local/web", "start Shop", "restart ＳＴＯＲＥＦＲＯＮＴ"), 3)  # noqa: RUF001 - wide letters
    refused(await ask(here, WEB, "start web", "restart LOCAL/WEB", "start storefront"), 3)
    assert effects(here) == 2


async def test_the_third_is_refused_for_every_caller(here: Theatre) -> None:
    refused(await ask(here, "local/proxy", "restart shop"), 1)  # another incident, of a service that needs it
    rule = CooldownRule(limit=2, window_s=14_400)
    request = PermitRequest(
        id=PermitId(f"per_{uuid.uuid4().hex[:18]}"),
        service=WEB,
        kind=ActionKind.RESTART,
        cooldown_class=CooldownClass.RESTART,
        rule=rule,
        holder="somebody",
    )
    answer = await TemporalLedger(here.here.engine.client, UpdateSlots(here.home / "run")).acquire(request)
    assert not answer.granted
    assert answer.next_slot_at is not None
    assert effects(here) == 2


async def test_people_are_told_of_the_refusal(here: Theatre) -> None:
    async def told() -> bool:
        return any("refused by its limit" in r.title and "Next slot: " in r.message for r in here.receiver.received)

    await here.until("the message about the refusal", told)


async def test_the_third_is_refused_after_a_restart_of_everything(here: Theatre) -> None:
    await here.down()
    await here.no_orphans()
    await here.up()
    refused(await ask(here, WEB, "restart local/web", "start Shop", "restart storefront"), 3)
    assert effects(here) == 2


async def test_the_third_is_refused_after_the_engine_lost_all_it_knew(here: Theatre) -> None:
    await here.down()
    shutil.rmtree(here.home / "temporal")
    before = len(here.receiver.received)
    await here.up()
    refused(await ask(here, WEB, "restart local/web", "start Shop", "restart storefront"), 3)
    assert effects(here) == 2

    async def told() -> bool:
        return any("refused by its limit" in r.title for r in here.receiver.received[before:])

    await here.until("a message about the refusal of now", told)
