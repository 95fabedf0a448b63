"""Runs one process of a session: start or attach, copy its output into the record, tell what came of it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path

from temporalio import activity

from activities.bait import laid, lay, seen_outside, words
from activities.beat import beating, leaves_work_running
from activities.briefing import Briefing
from activities.budget import SessionMoney
from activities.errors import mapped
from activities.follow import follow
from activities.memories import Memories
from activities.output import OutputCopy
from activities.tidy import tidy_deferred, tidy_report
from claude.argv import command, transcript_glob
from claude.result import classify
from domain.base import Value
from domain.errors import FatalError, TransientError
from domain.ports import (
    Clock,
    Door,
    Doors,
    Engine,
    ExitState,
    Handle,
    Launch,
    SessionFolder,
    SessionRecords,
)
from domain.session import Bound, Isolation, SessionOrder, SessionOutcome, SessionStatus
from policy.access import refusal_to_start
from policy.text import sendable

HAND_OVER_S = 1.0


class SessionSettings(Value):
    """What every session of this installation shares."""

    sessions_root: Path
    scripted: bool
    credential_kind: str


class Refusal(Value):
    """Why a process must not start."""

    why: str
    bound: Bound = ""


class SessionActivities:
    """The activity holds no state that a new worker could not find again: folder, door and process are looked up."""

    def __init__(
        self,
        engine: Engine,
        doors: Doors,
        records: SessionRecords,
        briefing: Briefing,
        money: SessionMoney,
        settings: SessionSettings,
        redact: Callable[[str], str],
        traceparent: Callable[[], str],
        clock: Clock,
        random: Callable[[int], bytes] | None = None,
        memories: Memories | None = None,
    ) -> None:
        """`random`: makes the bait of each session; None lays none. `memories`: None keeps none."""
        self._engine = engine
        self._doors = doors
        self._records = records
        self._briefing = briefing
        self._money = money
        self._settings = settings
        self._redact = redact
        self._traceparent = traceparent
        self._clock = clock
        self._random = random
        self._memories = memories

    @activity.defn
    @mapped
    async def run_session(self, order: SessionOrder) -> SessionOutcome:
        """From start (or attach) to outcome. Cancelled, it ends the process; at a worker's end, it lets it run."""
        async with beating():
            isolation = await self._engine.isolation()
            recorded = self._records.session_started(order, isolation, self._settings.scripted, self._clock.now())
            refusal = self._refusal(order, isolation)
            if refusal:
                await recorded
                return await self._refused(order, refusal)
            try:
                handle = await self._start(order, recorded)
            except FatalError as e:  # nobody else would write that it has ended, and give back its money
                return await self._given_up(order, SessionStatus.FAILED, str(e))
            except asyncio.CancelledError:
                if not await leaves_work_running():
                    with suppress(FatalError):  # the record may not have heard of its start
                        await _through(self._given_up(order, SessionStatus.STOPPED, "stopped by a person"))
                raise
            if isinstance(handle, Refusal):
                await self._doors.close(order.session)
                return await self._refused(order, handle.why, handle.bound)
            outcome = await self._follow(order, handle)
            await self._doors.close(order.session)
            ended = await self._ended(outcome)
            await self._learn(order, outcome)
            return ended

    def _refusal(self, order: SessionOrder, isolation: Isolation) -> str:
        if not self._settings.credential_kind and not self._settings.scripted:
            return "no credential for the model: set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN (from `claude setup-token`) and restart"
        return refusal_to_start(order.tier.tier, isolation, self._settings.scripted)

    async def _start(self, order: SessionOrder, recorded: Awaitable[None]) -> Handle | Refusal:
        """The record, the door, the briefing and the money are waited for at once; the process waits for all."""
        folder = SessionFolder(root=self._settings.sessions_root / order.session)
        order = _from_what_is_left(order, folder)
        traceparent = self._traceparent()
        bait = await asyncio.to_thread(lay, folder, self._random) if self._random else None
        door = Door(
            session=order.session,
            incident=order.incident,
            workflow_id=order.workflow_id,
            tier=order.tier.tier,
            attempt=order.attempt,
            folder=folder,
            budget_usd=order.tier.budget_usd,
            scripted=self._settings.scripted,
            dry_run=order.dry_run,
            traceparent=traceparent,
            bait=bait.values if bait else (),
            timeout_s=order.tier.timeout_s,
            granted=self._briefing.granted(order.tier.tier),
        )
        planned = self._briefing.plan(order, folder, self._settings.credential_kind or "api_key", traceparent)
        planning, reserving = asyncio.ensure_future(planned), asyncio.ensure_future(self._money.reserve(order))
        opening, recording = asyncio.ensure_future(self._doors.open(door)), asyncio.ensure_future(recorded)
        try:
            brief, over, _, _ = await asyncio.gather(planning, reserving, opening, recording)
        except FatalError:
            await asyncio.wait([planning, reserving, opening, recording])  # what ends it now must not overtake them
            raise
        if brief.refusal or over:
            return Refusal(why=brief.refusal or over, bound="" if brief.refusal else "budget")
        known = door.model_copy(update={"domains": brief.plan.domains, "granted": brief.granted})
        if known != door:  # most sessions go nowhere and have all their agent's tools, and do not wait for this
            await self._doors.open(known)
        call = command(brief.plan)
        launch = Launch(
            session=order.session,
            attempt=order.attempt,
            folder=folder,
            argv=call.argv,
            env={**call.env, **(bait.environment if bait else {})},
            prompt=call.stdin,
            read_only=tuple(path for path in brief.read_only if path.is_dir()),  # another machine may not have them
            limits=brief.plan.tier.limits,
            timeout_s=brief.plan.tier.timeout_s,
            labels={"workflow": order.workflow_id, "incident": order.incident, "tier": str(order.tier.tier)},
        )
        return await self._engine.start_or_attach(launch)

    async def _follow(self, order: SessionOrder, handle: Handle) -> SessionOutcome:
        copy = OutputCopy(self._records, order.session, order.attempt, self._redact, self._clock)
        await copy.resume()
        try:
            exit_state = await follow(self._engine, handle, copy, self._clock)
        except asyncio.CancelledError:
            if await leaves_work_running():
                await copy.flush()
                raise TransientError(
                    "this worker stops; another one attaches to the session", retry_after_s=HAND_OVER_S
                ) from None
            await self._stop(handle, copy)
            if seen_outside(handle.folder):  # whoever closed the incident did not know
                return self._outcome(order, copy, ExitState(code=None, reason="stopped"))
            raise
        return self._outcome(order, copy, exit_state)

    async def _stop(self, handle: Handle, copy: OutputCopy) -> None:
        """Shielded: a second cancellation must not leave a session running."""

        async def stop() -> None:
            await self._engine.stop(handle)
            while data := await self._engine.read(handle, copy.offset):
                await copy.feed(data)
            await copy.finish()
            await self._doors.close(handle.session)
            await self._ended(
                SessionOutcome(
                    session=handle.session,
                    attempt=handle.attempt,
                    status=SessionStatus.STOPPED,
                    message="stopped by a person",
                )
            )

        await _through(stop())

    def _outcome(self, order: SessionOrder, copy: OutputCopy, exit_state: ExitState) -> SessionOutcome:
        reader = copy.reader
        where = seen_outside(SessionFolder(root=self._settings.sessions_root / order.session))
        if where:
            return SessionOutcome(
                session=order.session,
                attempt=order.attempt,
                status=SessionStatus.STOPPED,
                bound="bait",
                message=self._redact(words(where)),
                lines=copy.lines,
            )
        verdict = classify(reader.result, exit_state, reader.init, reader.last_retry)
        return SessionOutcome(
            session=order.session,
            attempt=order.attempt,
            status=verdict.status,
            message=self._redact(sendable(verdict.message))[:2000],
            bound=verdict.bound,
            report=tidy_report(verdict.report, self._redact),
            deferred=tidy_deferred(verdict.deferred, self._redact),
            usage=verdict.usage,
            retry_after_s=verdict.retry_after_s,
            lines=copy.lines,
        )

    async def _given_up(self, order: SessionOrder, status: SessionStatus, why: str) -> SessionOutcome:
        """A process that was begun all the same does nothing without a door, and ends when nobody claims it."""
        await self._doors.close(order.session)
        return await self._ended(self._never_began(order, status, why))

    async def _refused(self, order: SessionOrder, why: str, bound: Bound = "") -> SessionOutcome:
        return await self._ended(self._never_began(order, SessionStatus.REFUSED, why, bound))

    def _never_began(self, order: SessionOrder, status: SessionStatus, why: str, bound: Bound = "") -> SessionOutcome:
        return SessionOutcome(
            session=order.session,
            attempt=order.attempt,
            status=status,
            message=self._redact(sendable(why))[:2000],
            bound=bound,
        )

    async def _learn(self, order: SessionOrder, outcome: SessionOutcome) -> None:
        if self._memories is None or outcome.report is None:
            return
        folder = SessionFolder(root=self._settings.sessions_root / order.session)
        bait = await asyncio.to_thread(laid, folder)
        await self._memories.learn(order.session, order.incident, outcome.report.memories, bait)

    async def _ended(self, outcome: SessionOutcome) -> SessionOutcome:
        ended = outcome.model_copy(update={"ended_at": self._clock.now()})
        await asyncio.gather(self._records.session_ended(ended), self._money.settle(ended.session, ended.attempt))
        return ended


async def _through(work: Coroutine[None, None, object]) -> None:
    """Carry it to its end, also where we are cancelled once more."""
    task = asyncio.create_task(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    task.result()


def _from_what_is_left(order: SessionOrder, folder: SessionFolder) -> SessionOrder:
    """A process that was killed in its first moments left no transcript: then there is nothing to resume."""
    if order.resume and not any(folder.claude_config.glob(transcript_glob(order.session))):
        return order.model_copy(update={"resume": ""})
    return order
