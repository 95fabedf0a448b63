"""One incident, from the fault to its end, and what the record and the machine must agree on afterwards."""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from adapters.containers import files
from adapters.database.records import IncidentDetail, SessionRow
from claude.display import display
from claude.stream import LineSplitter
from config.logging import secrets_of
from demo.faults import Fault
from domain.action import Action, ActionState
from domain.ids import SessionId
from domain.incident import IncidentState
from domain.ledger import PermitState
from domain.ports import SessionFolder
from policy.redaction import redactor
from tests.e2e import cast
from tests.e2e.theatre import ORPHAN_S, TESTER, Theatre

ENDS = {IncidentState.RESOLVED, IncidentState.SELF_HEALED}
_EFFECT = re.compile(r"^host: (start|restart|recreate|unpause|reload) (\S+): (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Finding:
    """One thing that should not be: `lost`, `doubled` or `orphans`."""

    kind: str
    what: str


@dataclass
class Story:
    """What one round needs to know of its beginning."""

    here: Theatre
    fault: Fault
    began: float = field(default_factory=time.monotonic)
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    incident: str = ""
    log_from: int = 0
    lines: int = 0
    findings: list[Finding] = field(default_factory=list[Finding])

    # ------------------------------------------------------------ the way

    @classmethod
    async def begin(cls, here: Theatre, fault: Fault) -> "Story":
        """Everything is healthy, then it breaks for real and a patrol is asked for."""
        await here.all_up()
        story = cls(here, fault, log_from=len(host_log(here)))
        await fault.inject(here.host)
        await here.patrol()
        return story

    async def opened(self) -> str:
        """The incident's id, as soon as there is one."""

        async def found() -> str:
            rows = (await self.here.here.reads.incidents(limit=3)).rows
            return next((r.id for r in rows if r.service == self.fault.service and r.opened_at >= self.began_at), "")

        end = time.monotonic() + 60
        while not self.incident:
            assert time.monotonic() < end, f"no incident of {self.fault.service}:\n{self.here.log[-3000:]}"
            self.incident = await self.here.read(found)
            if not self.incident:
                await asyncio.sleep(0.05)
                if int((time.monotonic() - self.began) * 20) % 40 == 39:  # one that ran already is not doubled
                    await self.here.patrol()
        return self.incident

    async def state(self) -> IncidentDetail:
        """The incident as the record has it."""
        incident = await self.opened()
        row = await self.here.here.reads.incident(incident)
        assert row is not None
        return row

    async def sessions(self) -> tuple[SessionRow, ...]:
        """All processes of its sessions."""
        return await self.here.read(lambda: self.here.here.reads.sessions_of(self.incident))

    async def actions(self) -> tuple[Action, ...]:
        """All its actions."""
        return await self.here.read(lambda: self.here.here.reads.actions_of(self.incident))

    async def until_action(self, *states: ActionState) -> Action:
        """The first action that reaches one of these states (or any later one, if we were slow)."""
        await self.opened()

        async def found() -> Action | None:
            return next((a for a in await self.here.here.reads.actions_of(self.incident) if a.state in states), None)

        return await self.here.until(f"an action in {states}", found)

    async def until_tier(self, tier: int) -> SessionRow:
        """A session of this tier runs and has shown its first line."""
        await self.opened()

        async def found() -> SessionRow | None:
            rows = [s for s in await self.here.here.reads.sessions_of(self.incident) if s.tier == tier]
            seen = [s for s in rows if await self.here.here.reads.last_seq(SessionId(s.id), s.attempt) > 0]
            return seen[-1] if seen else None

        return await self.here.until(f"a session of tier {tier}", found)

    async def until_state(self, *states: IncidentState, seconds: float = 150.0) -> IncidentDetail:
        """The incident is in one of these states."""
        await self.opened()

        async def found() -> IncidentDetail | None:
            row = await self.here.here.reads.incident(self.incident)
            return row if row is not None and row.state in states else None

        return await self.here.until(f"{self.incident} in {states}", found, seconds)

    async def approve(self) -> None:
        """A person says yes to what waits now."""

        async def answered() -> bool:
            # An answer that was taken while its receipt was lost needs no second one.
            if any(a.decided_at for a in await self.here.here.reads.approvals_of(self.incident)):
                return True
            waiting = [a for a in await self.here.here.reads.approvals_pending() if a.incident == self.incident]
            if not waiting:
                return False
            act = await self.here.here.actions.decide(
                waiting[0], digest=waiting[0].digest, approve=True, reason="yes", actor=TESTER
            )
            return act.accepted

        await self.here.until("an approval that can be answered", answered)

    # ------------------------------------------------------------ the end

    async def ended(self) -> IncidentDetail:
        """As it should end: proven healthy, by nobody's crash handed to a person; and all books agree."""
        closed = {*ENDS, IncidentState.NEEDS_PERSON, IncidentState.INTERRUPTED, IncidentState.CANCELLED}
        row = await self.until_state(*closed)
        if row.state not in ENDS:
            self.findings.append(Finding("lost", f"the incident ended as {row.state}: {row.summary}"))
        for session in await self.sessions():
            await self._whole(session)
        await self._effects_once()
        await self._permits_right()
        await self._nobody_left()
        assert not self.findings, f"{[str(f) for f in self.findings]}\n{await self.told()}"
        return row

    async def told(self) -> str:
        """The incident's history, for a person who looks at a failed test."""
        lines = await self.here.read(lambda: self.here.here.reads.timeline(self.incident, limit=200))
        return "\n".join(f"  {t.at:%H:%M:%S} {t.kind}: {t.text}" for t in lines)

    async def _whole(self, session: SessionRow) -> None:
        """It has ended, and the stored lines are those of the stream on disk: none lost, none doubled."""
        name = f"session {session.id}/{session.attempt} of tier {session.tier}"
        if session.ended_at is None:
            self.findings.append(Finding("lost", f"{name} is still {session.status}"))
        key = SessionId(session.id)
        stored = await self.here.read(lambda: self.here.here.reads.read_output(key, session.attempt, 0, 100_000))
        folder = SessionFolder(root=self.here.home / "sessions" / session.id).attempt(session.attempt)
        stream = folder / files.STREAM
        shown = _shown(stream.read_bytes(), redactor(secrets_of(self.here.settings))) if stream.exists() else []
        numbers = [line.seq for line in stored]
        if numbers != list(range(1, len(stored) + 1)) or [line.text for line in stored] != shown:
            self.findings.append(Finding("lost", f"{name}: stored {numbers}, on disk {len(shown)} lines"))
        self.lines += len(stored)

    async def _effects_once(self) -> None:
        """The service manager's own record of what it was ordered, against the actions."""
        effects = [
            f"{op} {unit}"
            for op, unit, said in _EFFECT.findall(host_log(self.here)[self.log_from :])
            if _was_done(said)
        ]
        actions = await self.actions()
        done = [f"{a.kind} {a.target.partition('/')[2]}" for a in actions if a.state == ActionState.DONE]
        if sorted(effects) != sorted(done):
            told = [(a.kind.value, a.state.value, a.message) for a in actions]
            self.findings.append(Finding("doubled", f"effects {effects}, actions {told}"))
        if len(effects) > 1:
            self.findings.append(Finding("doubled", f"one fault, {len(effects)} effects: {effects}"))

    async def _permits_right(self) -> None:
        """Every action that was begun holds one slot, every other none, and nothing hangs."""
        actions = await self.actions()
        hanging = {ActionState.PERFORMING, ActionState.PERMITTED, ActionState.UNKNOWN, ActionState.WAITING}

        async def settled() -> bool:
            permits = await self.here.here.reads.permits(self.began_at)
            confirmed = sorted(p.id for p in permits if p.state == PermitState.CONFIRMED)
            reserved = [p for p in permits if p.state == PermitState.RESERVED]
            return not reserved and confirmed == sorted(
                a.permit or "" for a in actions if a.before and a.state == ActionState.DONE
            )

        for action in actions:
            if action.state in hanging:
                self.findings.append(Finding("lost", f"{action.kind} {action.target} is {action.state} for ever"))
        if not await self.here.read(settled):
            permits = await self.here.read(lambda: self.here.here.reads.permits(self.began_at))
            self.findings.append(
                Finding(
                    "doubled",
                    f"permits {[(p.id, p.state) for p in permits]}, actions {[(a.permit, a.state) for a in actions]}",
                )
            )

    async def _nobody_left(self) -> None:
        """No session's process is left after 15 s, and no child of the supervisor runs twice."""
        end = time.monotonic() + ORPHAN_S
        while cast.runners(self.here.home) and time.monotonic() < end:
            await asyncio.sleep(0.1)
        if left := cast.runners(self.here.home):
            self.findings.append(Finding("orphans", f"sessions that nobody owns: {left}"))
        if len(left := cast.spares(self.here.home)) > self.here.settings.spare_runners:
            self.findings.append(Finding("orphans", f"more runners wait than were asked for: {left}"))
        twice = cast.doubled(self.here.home)
        if twice:
            self.findings.append(Finding("orphans", f"more than one {', '.join(twice)}"))


def host_log(here: Theatre) -> str:
    """What the service manager wrote."""
    return (here.host.root / "logs" / "host.log").read_text(encoding="utf-8", errors="replace")


def _was_done(message: str) -> bool:
    return message.endswith(("was started", "was restarted", "from its declaration", "goes on"))


def _shown(data: bytes, redact: Callable[[str], str]) -> list[str]:
    splitter = LineSplitter()
    raw = splitter.feed(data)
    rest = splitter.rest()
    return [redact(text) for line in (*raw, *([rest] if rest else [])) for text in display(line)]
