"""The owner's money over the whole product: a pause stops the next session, and nothing stays promised."""

import asyncio

import pytest

from domain.session import SessionStatus
from tests.support.full_stack import FullStack, full_stack
from tests.support.temporal_binary import binary
from web.services.actions import Actor

pytestmark = [getattr(pytest.mark, name) for name in ("postgres", "temporal", "cli", "isolation", "slow", "asyncio")]
ME = Actor(kind="cli", name="alice")


async def look(stack: FullStack, service: str = ""):
    """A person asks for a look. Its incident and its first session, when it is over."""
    act = await stack.services.actions.look(service, "Is it well?", 1, ME)
    assert act.accepted, act.message
    row = await stack.closed(act.incident)
    return row, (await stack.services.reads.sessions_of(act.incident))[0]


@pytest.mark.timeout(240)
async def test_a_paused_session_is_not_begun_and_one_that_ran_gives_back_what_it_did_not_spend():
    await asyncio.to_thread(binary)  # built where it is missing
    async with full_stack({"TIERCEL_BUDGET_DAY_USD": "20"}) as stack:
        budgets = stack.services.budgets
        assert (await budgets.pause("on holiday", ME)).accepted
        row, session = await look(stack)
        assert "paused by alice: on holiday" in row.summary
        assert (session.status, session.lines) == (SessionStatus.REFUSED, 0)
        assert not (stack.stage.settings.home / "sessions" / session.id / "attempts").exists()

        assert (await budgets.resume("back", ME)).accepted
        await stack.healthy()
        _, session = await look(stack, "local/web")
        assert session.status == SessionStatus.COMPLETED
        async with asyncio.timeout(20):
            while (found := await budgets.read()).held:
                await asyncio.sleep(0.2)
        counted = (await stack.services.insights.overview()).today
        assert counted.calls
        assert found.windows[0].spent_usd == pytest.approx(counted.cost_usd)
