"""`tiercel demo`: real services, a real fault, and Tiercel at work on it, told in the terminal and in the dashboard."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from rich.console import Console

from adapters.database.pool import Pool
from config.settings import Settings, load
from demo.container import CONTAINER_KILLED
from demo.faults import Fault, find, listing
from demo.narrator import Narrator
from demo.stage import Stage, stage
from domain.errors import TiercelError
from domain.incident import Approval, IncidentState
from web.services.actions import Actor
from web.services.factory import Services, services
from worker import up_endpoints
from worker.up import stopped_by_signals, up

READY_S = 180.0
STORY_S = 240.0
QUIET_S = 20.0  # how long nothing must open after a fault that heals itself
ANSWER_AFTER_S = 3.0
DEMO = Actor(kind="cli", name="demo")


def list_faults() -> int:
    """Print the faults."""
    sys.stdout.write(listing(CONTAINER_KILLED) + "\n")
    return 0


def main(name: str, *, once: bool) -> int:
    """Run the demo. Exit code 0 only where the story ended as it should."""
    try:
        fault = CONTAINER_KILLED if name == CONTAINER_KILLED.name else find(name, CONTAINER_KILLED.name)
        return asyncio.run(_main(fault, once=once))
    except TiercelError as e:
        sys.stderr.write(f"demo: {e}\n")
        return 1


async def _main(fault: Fault, *, once: bool) -> int:
    console = Console(highlight=False, soft_wrap=True)
    narrator = Narrator(console)
    stop, kill = asyncio.Event(), asyncio.Event()
    with (
        tempfile.TemporaryDirectory(prefix="tiercel-demo-", ignore_cleanup_errors=True) as folder,
        stopped_by_signals(stop, kill),
    ):
        Path(folder).chmod(0o755)  # Postgres may run as another user and must get through
        narrator.say("starting a database, a web app and a worker, and Tiercel to watch them ...")
        async with stage(Path(folder) / "stage", load(), containers=True) as set_up:
            set_up.receiver.said = narrator.heard
            running = asyncio.create_task(up(set_up.settings, stop=stop, kill=kill, terminal=None))
            story = asyncio.create_task(_tell(set_up, fault, narrator, once=once))
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait({running, story, stopped}, return_when=asyncio.FIRST_COMPLETED)
            code = await _outcome(running, story, narrator, once=once, stop=stop)
            stop.set()
            with suppress(TiercelError):
                await running
            stopped.cancel()
            return code


async def _outcome(
    running: "asyncio.Task[int]", story: "asyncio.Task[bool]", narrator: Narrator, *, once: bool, stop: asyncio.Event
) -> int:
    if running.done() and not story.done():
        story.cancel()
        running.result()  # raises what stopped it
        narrator.say("Tiercel stopped before the story ended; its log has the reason", "red")
        return 1
    if not story.done():
        story.cancel()
        with suppress(asyncio.CancelledError):
            await story
        narrator.say("stopping ...")
        return 130
    good = story.result()
    if not once:
        narrator.say("everything goes on running; Ctrl-C ends it", "bold")
        await stop.wait()
    return 0 if good else 1


async def _tell(set_up: Stage, fault: Fault, narrator: Narrator, *, once: bool) -> bool:
    async with _connected(set_up.settings) as here:
        address = f"{set_up.settings.web_url}/"
        model = (
            "the real model"
            if set_up.model is None
            else "a SCRIPTED MODEL (no key is set): the real Claude Code CLI, words from a script"
        )
        narrator.say(f"dashboard: {address}", "bold")
        narrator.say(f"the model is {model}")
        await _all_up(here, narrator)
        narrator.say(f"now broken for real: {await fault.inject(set_up.host)}", "bold red")
        if fault.ends is None:
            return await _nothing_opens(here, narrator)
        incident = await _wait_for_incident(here, fault)
        narrator.say(f"incident page: {address}incidents/{incident}", "bold")
        good = await _follow(here, set_up, fault, incident, narrator, once=once)
        narrator.say(
            "as it should be" if good else "this did NOT end as it should", "bold green" if good else "bold red"
        )
        return good


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncGenerator[Services, None]:
    async with asyncio.timeout(READY_S):
        while (found := up_endpoints.read(settings.home)) is None:
            await asyncio.sleep(0.1)
    async with Pool(found.database_url, max_size=3) as pool:
        yield services(settings, pool)


async def _all_up(here: Services, narrator: Narrator) -> None:
    async with asyncio.timeout(READY_S):
        await here.actions.patrol(DEMO)
        while True:
            found = await here.reads.services()
            if found and all(s.status == "up" for s in found):
                break
            await asyncio.sleep(0.3)
    narrator.say(
        f"{len(found)} services are healthy: {', '.join(s.id for s in found)}; model tokens so far: 0", "green"
    )


async def _nothing_opens(here: Services, narrator: Narrator) -> bool:
    """A patrol must see it fail, see it well again, and leave it alone."""
    seen_failing = False
    for _ in range(int(QUIET_S / 0.2)):
        seen_failing = seen_failing or any(s.status == "down" for s in await here.reads.services())
        await asyncio.sleep(0.2)
    opened = (await here.reads.incidents(limit=1)).rows
    narrator.say("a patrol saw it fail" if seen_failing else "it was over before a patrol looked")
    narrator.say(
        "it healed by itself; no incident, no model call, no action" if not opened else "an incident was opened for it",
        "green" if not opened else "red",
    )
    return not opened


async def _wait_for_incident(here: Services, fault: Fault) -> str:
    async with asyncio.timeout(STORY_S):
        while True:
            rows = (await here.reads.incidents(limit=5)).rows
            hit = next((r for r in rows if r.service == fault.service), None)
            if hit is not None:
                return hit.id
            await asyncio.sleep(0.2)


async def _follow(
    here: Services, set_up: Stage, fault: Fault, incident: str, narrator: Narrator, *, once: bool
) -> bool:
    asked: set[str] = set()
    asking: list[asyncio.Task[None]] = []
    try:
        async with asyncio.timeout(STORY_S):
            while True:
                await narrator.follow(here.reads, incident)
                row = await here.reads.incident(incident)
                for approval in await here.reads.approvals_pending():
                    if approval.id not in asked:
                        asked.add(approval.id)
                        asking.append(asyncio.create_task(_ask(here, approval, narrator, once=once)))
                if row is not None and row.state == fault.ends and await _told(set_up, fault):
                    return await _proven(here, fault, incident, narrator)
                ended = row is not None and (row.closed_at is not None or row.state == IncidentState.NEEDS_PERSON)
                if row is not None and ended and row.state != fault.ends:
                    narrator.say(f"it ended as {row.state}", "red")
                    return False
                await asyncio.sleep(0.2)
    except TimeoutError:
        narrator.say(f"not finished after {STORY_S:.0f} s", "red")
        return False
    finally:
        for task in asking:
            task.cancel()


async def _told(set_up: Stage, fault: Fault) -> bool:
    wanted = "needs human attention" if fault.ends == IncidentState.NEEDS_PERSON else "remediated"
    titles = [r.title for r in set_up.receiver.received]
    return any(wanted in t or "fixed by tier" in t for t in titles)


async def _proven(here: Services, fault: Fault, incident: str, narrator: Narrator) -> bool:
    """What the record must say for a story to count as told well."""
    await narrator.follow(here.reads, incident)
    done = [a for a in await here.reads.actions_of(incident) if a.state == "done"]
    if fault.ends == IncidentState.NEEDS_PERSON:
        return True
    kinds = {a.kind for a in done}
    kinds_right = bool(kinds & set(fault.right))
    healthy = all(s.status == "up" for s in await here.reads.services())
    narrator.say(
        f"done: {', '.join(f'{a.kind} {a.target}' for a in done) or 'nothing'}; all services healthy: {'yes' if healthy else 'no'}"
    )
    return kinds_right and healthy


async def _ask(here: Services, approval: Approval, narrator: Narrator, *, once: bool) -> None:
    """Ask in the terminal; the page asks at the same time, and the first answer wins."""
    action = approval.action
    narrator.say(f"a person is asked: {action.kind} {action.target}? {approval.blast.sentence}", "bold magenta")
    if once or not sys.stdin.isatty():
        narrator.say(
            f"nobody sits at this terminal; the demo says yes in {ANSWER_AFTER_S:.0f} s, unless the page is faster",
            "magenta",
        )
        await asyncio.sleep(ANSWER_AFTER_S)
        yes = True
    else:
        answer = await asyncio.to_thread(input, "          approve? [y/N] ")
        yes = answer.strip().lower() in {"y", "yes"}
    act = await here.actions.decide(
        approval, digest=approval.digest, approve=yes, reason="answered in the terminal", actor=DEMO
    )
    narrator.say(act.message, "magenta")
