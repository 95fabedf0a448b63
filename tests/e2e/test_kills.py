"""Processes of the whole, real product are killed in the middle of a repair: nothing is lost, nothing is done twice.

At chosen points first, then at random moments (30; TIERCEL_TEST_KILLS=200 does more, TIERCEL_TEST_SEED repeats a run).
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace

import aiohttp
import psycopg
import pytest
import pytest_asyncio

from demo.faults import FAULTS, Fault
from demo.host import tree
from demo.host.handle import HostHandle
from domain.action import ActionState
from domain.ids import ServiceId, SessionId
from domain.incident import IncidentState
from tests.e2e import cast
from tests.e2e.story import Story
from tests.e2e.theatre import Theatre, theatre
from worker import up_endpoints

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(240),
    pytest.mark.slow,
    pytest.mark.postgres,
    pytest.mark.temporal,
    pytest.mark.cli,
    pytest.mark.isolation,
]

RANDOM = int(os.environ.get("TIERCEL_TEST_KILLS", "30"))
SEED = int(os.environ.get("TIERCEL_TEST_SEED") or random.SystemRandom().randrange(1_000_000))
VICTIMS = ("worker", "gateway", "web", "temporal", "postgres", "cli")
KILLS_PER_ROUND = 2  # the second one often meets what the first has left half done
LATEST_S = 7.0  # an undisturbed story takes about eight


@dataclass
class Campaign:
    """What all rounds together found."""

    points: int = 0
    random: int = 0
    lines: int = 0
    found: Counter[str] = field(default_factory=Counter[str])
    times: list[str] = field(default_factory=list[str])

    def summary(self) -> str:
        return (
            f"kills: {self.points} points, {self.random} random (seed {SEED}), {self.found['lost']} lost sessions,"
            f" {self.found['doubled']} doubled effects, {self.found['orphans']} orphans; {self.lines} lines compared"
        )


async def _kill_unit(host: HostHandle, unit: str) -> str:
    pid = await host.pid(unit)
    assert pid is not None
    tree.send([pid], signal.SIGKILL)
    return f"{unit} was killed"


WEB = FAULTS["crashed"]
SHIPPING = replace(WEB, service=ServiceId("local/worker"), inject=lambda host: _kill_unit(host, "worker"))
DATABASE = FAULTS["database-down"]  # the scenario asks for a restart, which a person has to approve


@pytest.fixture(scope="module")
def campaign(request: pytest.FixtureRequest) -> Iterator[Campaign]:
    """Printed at the end of the run."""
    found = Campaign()
    yield found
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        print("", *found.times, found.summary(), sep="\n", flush=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(campaign: Campaign) -> AsyncIterator[Theatre]:
    """One stack for all rounds; one that a failed round left broken is started anew."""
    async with theatre() as found:
        yield found


async def play(
    campaign: Campaign, here: Theatre, name: str, fault: Fault, act: Callable[[Story], Awaitable[object]]
) -> Story:
    """One round: begin, `act` (which kills somebody), and the end with all its checks."""
    started = time.monotonic()
    if here.process is None or here.process.returncode is not None:
        await here.up()
    story = await Story.begin(here, fault)
    try:
        await act(story)
        await story.ended()
    finally:
        campaign.found.update(f.kind for f in story.findings)
        campaign.lines += story.lines
        campaign.times.append(f"{time.monotonic() - started:6.1f} s  {name}")
    return story


def kill(here: Theatre, name: str) -> None:
    """The one process of this name, now."""
    victims = (
        cast.clis(here.home)
        if name == "cli"
        else cast.runners(here.home)
        if name == "runner"
        else [here.children()[name]]
    )
    assert victims, f"no {name} runs"
    assert victims[0].kill()


async def when(here: Theatre, name: str) -> str:
    """Kill it as soon as it is there (what was killed a moment ago is being started again). Gives who it was.

    Where no session runs any more, its door is killed instead, so that every round has its kills.
    """
    for patience_s, wanted in ((3.0 if name == "cli" else 20.0, name), (20.0, "gateway")):
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            found = cast.clis(here.home) if wanted == "cli" else [p for n, p in here.children().items() if n == wanted]
            if found and found[0].kill():
                return wanted
            await asyncio.sleep(0.02)
    return pytest.fail(f"there was no {name} to kill:\n{here.log[-2000:]}")


# ---------------------------------------------------------------- chosen points


async def streams(story: Story) -> None:
    await story.until_tier(2)


async def asked(story: Story) -> None:
    """The session has asked, and the effect begins."""
    await story.until_action(ActionState.PERMITTED, ActionState.PERFORMING, ActionState.UNKNOWN, ActionState.DONE)


async def done(story: Story) -> None:
    await story.until_action(ActionState.DONE)


async def verifies(story: Story) -> None:
    await story.until_state(IncidentState.VERIFYING)


POINTS = {
    "worker while a session streams": ("worker", streams),
    "worker when the session has asked": ("worker", asked),
    "worker during the verification": ("worker", verifies),
    "gateway in the middle of a stream": ("gateway", streams),
    "gateway during the act": ("gateway", asked),
    "temporal while a session streams": ("temporal", streams),
    "temporal during the act": ("temporal", asked),
    "postgres while output is written": ("postgres", streams),
    "postgres during the act": ("postgres", asked),
    "cli before its act": ("cli", streams),
    "cli after its act": ("cli", done),
    "runner of a session": ("runner", streams),
}


@pytest.mark.parametrize("name", POINTS)
async def test_killed_at_a_chosen_point(campaign: Campaign, here: Theatre, name: str) -> None:
    victim, moment = POINTS[name]

    async def act(story: Story) -> None:
        await moment(story)
        kill(here, victim)

    await play(campaign, here, name, WEB, act)
    campaign.points += 1


@pytest.mark.parametrize("victim", ["worker", "gateway", "temporal"])
async def test_killed_while_parked_on_an_approval(campaign: Campaign, here: Theatre, victim: str) -> None:
    async def act(story: Story) -> None:
        await story.until_state(IncidentState.WAITING)
        # Another incident may have sessions of its own: the patrol sees first what depends on the broken one.
        mine = [session.id for session in await story.sessions()]
        assert mine
        assert not cast.clis(here.home, mine), "a parked session holds no process"
        kill(here, victim)
        await story.approve()

    await play(campaign, here, f"{victim} while parked on an approval", DATABASE, act)
    campaign.points += 1


async def test_an_approval_waits_through_a_restart_of_everything(campaign: Campaign, here: Theatre) -> None:
    async def act(story: Story) -> None:
        await story.until_state(IncidentState.WAITING)
        await here.down()
        await here.no_orphans()
        await here.up()
        await story.approve()

    await play(campaign, here, "everything stopped and started while parked on an approval", DATABASE, act)
    campaign.points += 1


async def test_killed_web_does_not_disturb_and_its_reader_goes_on(campaign: Campaign, here: Theatre) -> None:
    seen: list[int] = []

    async def act(story: Story) -> None:
        session = await story.until_tier(2)
        url = f"http://127.0.0.1:{here.settings.web_port}/sessions/{session.id}/{session.attempt}/stream"
        reading = asyncio.create_task(_read_on(url, seen))
        await here.until("a line for the reader", lambda: _true(bool(seen)))
        kill(here, "web")
        row = await story.until_state(IncidentState.RESOLVED)
        assert row.closed_at is not None
        last = await here.read(lambda: here.here.reads.last_seq(SessionId(session.id), session.attempt))
        await here.until("all lines for the reader", lambda: _true(len(seen) >= last), 30)
        reading.cancel()

    await play(campaign, here, "web while a page streams", WEB, act)
    assert seen == list(range(1, len(seen) + 1))
    campaign.points += 1


async def _true(value: bool) -> bool:
    return value


async def _read_on(url: str, seen: list[int]) -> None:
    """As a browser does: come back with the number of the last line."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=2)) as http:
        while True:
            try:
                async with http.get(url, headers={"Last-Event-ID": str(seen[-1])} if seen else {}) as answer:
                    async for line in answer.content:
                        if line.startswith(b"id:"):
                            seen.append(int(line[3:]))  # noqa: PERF401 - others look at it while it grows
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("moment", [streams, asked], ids=["session", "act"])
async def test_killed_supervisor_leaves_nothing_and_the_next_start_finishes_the_incident(
    campaign: Campaign, here: Theatre, moment: Callable[[Story], Awaitable[None]]
) -> None:
    async def act(story: Story) -> None:
        await moment(story)
        await here.kill_up()
        await here.no_orphans()
        await here.up()

    await play(campaign, here, f"supervisor ({moment.__name__}), then a new start", WEB, act)
    campaign.points += 1


# ---------------------------------------------------------------- the checks themselves


async def test_the_checks_would_see_a_lost_line_and_a_doubled_effect(campaign: Campaign, here: Theatre) -> None:
    async def nobody(story: Story) -> None:
        await story.until_tier(2)

    story = await play(campaign, here, "nobody, and the books are falsified afterwards", WEB, nobody)
    await here.host.order("restart", "web")
    endpoints = up_endpoints.read(here.home)
    assert endpoints is not None
    async with await psycopg.AsyncConnection.connect(endpoints.database_url) as connection:
        newest = (await story.sessions())[-1]
        await connection.execute(
            "DELETE FROM session_output WHERE session = %s AND first_seq = (SELECT max(first_seq) FROM session_output WHERE session = %s)",
            (newest.id, newest.id),
        )
    with pytest.raises(AssertionError, match="lost"):
        await story.ended()
    assert {f.kind for f in story.findings} == {"lost", "doubled"}
    await here.all_up()


# ---------------------------------------------------------------- random moments


@pytest.mark.parametrize("number", range(0, RANDOM, KILLS_PER_ROUND))
async def test_killed_at_random_moments(campaign: Campaign, here: Theatre, number: int) -> None:
    dice = random.Random(f"{SEED}/{number}")
    kills = sorted(
        (dice.uniform(0.0, LATEST_S), dice.choice(VICTIMS)) for _ in range(min(KILLS_PER_ROUND, RANDOM - number))
    )
    fault = dice.choice((WEB, WEB, SHIPPING))

    async def act(story: Story) -> None:
        for after, victim in kills:
            await asyncio.sleep(max(0.0, story.began + after - time.monotonic()))
            await when(here, victim)
            campaign.random += 1

    told = ", ".join(f"{victim} at {after:.2f} s" for after, victim in kills)
    await play(campaign, here, f"random {number}: {fault.service}, {told}", fault, act)
