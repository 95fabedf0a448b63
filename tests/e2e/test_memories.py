"""What one session learns, the next one of that service is told, as a quotation: over the whole product."""

import asyncio

import pytest

from demo.faults import FAULTS
from tests.support.full_stack import FullStack, full_stack
from tests.support.temporal_binary import binary
from web.services.actions import Actor

pytestmark = [getattr(pytest.mark, name) for name in ("postgres", "temporal", "cli", "isolation", "slow", "asyncio")]
ME = Actor(kind="cli", name="test")


async def prompt_of_newest(stack: FullStack, incident: str) -> str:
    session = (await stack.services.reads.sessions_of(incident))[-1]
    folder = stack.stage.settings.home / "sessions" / session.id / "attempts" / str(session.attempt)
    return await asyncio.to_thread((folder / "prompt.txt").read_text)


@pytest.mark.timeout(240)
async def test_what_a_session_learned_is_kept_shown_and_quoted_to_the_next():
    await asyncio.to_thread(binary)  # built where it is missing
    async with full_stack() as stack:
        await stack.healthy()
        await FAULTS["hung"].inject(stack.stage.host)
        incident = await stack.incident_of("local/web")
        await stack.closed(incident.id)
        (learned,) = await stack.services.memories.of("local/web")
        assert (learned.memory.category, learned.memory.incident) == ("remedy", incident.id)
        assert learned.confidence == pytest.approx(0.8, abs=0.01)
        assert "# Memories" not in await prompt_of_newest(stack, incident.id)

        look = await stack.services.actions.look("local/web", "Is it well?", 1, ME)
        assert look.accepted, look.message
        await stack.closed(look.incident)
        told = await prompt_of_newest(stack, look.incident)
        head = f"- local/web, remedy: confidence 0.80, last seen today, from session {learned.memory.session}\n<data "
        assert head in told
        assert learned.memory.text in told.partition(head)[2].partition("</data ")[0]
