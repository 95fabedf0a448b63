"""Starts processes in order, watches them, starts them again, and leaves none behind.

A crash is followed by a pause of 0.5 s that doubles up to 30 s and starts anew after 30 s of life. Too many crashes of
one child in a minute end everything with a message: at that point a person is needed. A SIGKILL from outside (the
out-of-memory killer, a test) and an end shortly after the end of something that the child depends on are not its own
fault: they count against a wider limit. A child of ours that hangs, running but silent, is killed and started again.
"""

import asyncio
import contextlib
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from domain.errors import ConfigurationError, TransientError
from worker.supervisor_child import Child, ChildSpec, Question
from worker.supervisor_log import CombinedLog

OWN_NAME = "tiercel"
_POLL_S = 0.1

EventKind = Literal["starting", "ready", "restarting", "gave_up", "stopping", "stopped", "all_ready"]


@dataclass(frozen=True)
class Event:
    """Something that happened to a child (or to all: `child` is empty)."""

    kind: EventKind
    child: str = ""
    text: str = ""
    pid: int = 0


@dataclass(frozen=True)
class Limits:
    """When to wait and when to give up. Seconds and counts."""

    first_pause_s: float = 0.5
    longest_pause_s: float = 30.0
    healthy_after_s: float = 30.0
    window_s: float = 60.0
    crashes: int = 5
    kills: int = 20
    excuse_s: float = 15.0
    ask_every_s: float = 10.0
    silent_asks: int = 3


class Supervisor:
    """Runs children until it is told to stop. One use only."""

    def __init__(
        self,
        specs: Sequence[ChildSpec],
        log: CombinedLog,
        *,
        limits: Limits | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self._specs = _ordered(specs)
        self._log = log
        self._limits = limits or Limits()
        self._on_event = on_event
        self._children: dict[str, Child] = {}
        self._first_ready = {spec.name: asyncio.Event() for spec in self._specs}
        self._ready_now: set[str] = set()
        self._ended_at: dict[str, float] = {}
        self._stopping = False
        self._failure = ""
        self._failed = asyncio.Event()
        self.all_ready = asyncio.Event()

    @property
    def pids(self) -> dict[str, int]:
        """The process id of every child that runs now."""
        return {name: child.pid for name, child in self._children.items() if child.running}

    @property
    def ready(self) -> frozenset[str]:
        """The children that have answered since their last start."""
        return frozenset(self._ready_now)

    @property
    def failure(self) -> str:
        """Why it gave up; empty after a wanted stop."""
        return self._failure

    async def run(self, stop: asyncio.Event) -> int:
        """Start all, watch until `stop` is set or a child cannot be kept alive. Returns 0 or 1."""
        watchers = {s.name: asyncio.create_task(self._watch(s), name=f"watch {s.name}") for s in self._specs}
        everything = asyncio.create_task(self._tell_all_ready())
        ends = (asyncio.create_task(stop.wait()), asyncio.create_task(self._failed.wait()))
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stopping = True
            self._tell(Event("stopping", text="stopping"))
            for task in (*ends, everything, *watchers.values()):
                task.cancel()
            await asyncio.gather(*ends, everything, *watchers.values(), return_exceptions=True)
            # A second cancellation must not leave processes behind, so the end is not interruptible.
            await asyncio.shield(asyncio.create_task(self._stop_all()))
        return 1 if self._failure else 0

    def kill(self) -> None:
        """End everything at once (the second Ctrl-C)."""
        self._stopping = True
        for child in self._children.values():
            if child.running:
                child.kill()

    # ------------------------------------------------------------ watching one

    async def _watch(self, spec: ChildSpec) -> None:
        for name in spec.depends_on:
            await self._first_ready[name].wait()
        try:
            await self._keep_alive(spec)
        except Exception as e:  # noqa: BLE001 (whatever it is, the owner must hear it and nothing may go on half)
            self._give_up(spec.name, f"{spec.name} cannot run: {e or type(e).__name__}")

    async def _keep_alive(self, spec: ChildSpec) -> None:
        loop = asyncio.get_running_loop()
        pause = self._limits.first_pause_s
        crashes: deque[float] = deque()
        kills: deque[float] = deque()
        while True:
            started = loop.time()
            code, own = await self._one_life(spec)
            now = loop.time()
            excused = self._excused(spec, now) or (code == -signal.SIGKILL and not own)
            self._ended_at[spec.name] = now
            (kills if excused else crashes).append(now)
            if reason := self._too_many(spec.name, crashes, kills, now):
                self._give_up(spec.name, reason)
                return
            if excused or now - started >= self._limits.healthy_after_s:
                pause = self._limits.first_pause_s
            self._tell(Event("restarting", spec.name, f"{spec.name} {_ending(code)}; again in {pause:g} s"))
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._limits.longest_pause_s)

    async def _one_life(self, spec: ChildSpec) -> tuple[int, bool]:
        """Start, wait for readiness and for the end. Gives the exit code and whether we ended it ourselves."""
        try:
            if spec.prepare is not None:
                await spec.prepare()
        except TransientError as e:
            self._log.write(spec.name, str(e))
            return 1, True
        child = await Child.start(spec, self._log)
        self._children[spec.name] = child
        self._tell(Event("starting", spec.name, f"{spec.name} starts", child.pid))
        asking = asyncio.create_task(self._ask(child))
        ended = asyncio.create_task(child.wait())
        try:
            await asyncio.wait((asking, ended), return_when=asyncio.FIRST_COMPLETED)
            if asking.done() and (fault := asking.exception()) is not None:
                raise fault
            code = await ended
            return code, child.given_up
        finally:
            self._ready_now.discard(spec.name)
            asking.cancel()
            ended.cancel()
            await asyncio.gather(asking, ended, return_exceptions=True)

    async def _ask(self, child: Child) -> None:
        spec, loop = child.spec, asyncio.get_running_loop()
        deadline = loop.time() + spec.ready_timeout_s
        while spec.ready is not None and not await _says_yes(spec.ready, child.pid):
            if loop.time() > deadline:
                self._log.write(
                    OWN_NAME, f"{spec.name} runs but does not answer after {spec.ready_timeout_s:g} s: ended"
                )
                child.kill()
                return
            await asyncio.sleep(_POLL_S)
        if spec.on_ready is not None and not self._first_ready[spec.name].is_set():
            await self._patiently(spec.name, spec.on_ready, deadline)
        self._ready_now.add(spec.name)
        self._first_ready[spec.name].set()
        self._tell(Event("ready", spec.name, f"{spec.name} is ready", child.pid))
        if spec.alive is not None:
            await self._end_when_silent(child, spec.alive)

    async def _end_when_silent(self, child: Child, alive: Question) -> None:
        silent = 0
        while silent < self._limits.silent_asks:
            await asyncio.sleep(self._limits.ask_every_s)
            silent = 0 if await _says_yes(alive, child.pid) else silent + 1
        self._log.write(OWN_NAME, f"{child.spec.name} runs but gave no answer {silent} times in a row: ended")
        child.kill()

    async def _patiently(self, name: str, step: Callable[[], Awaitable[None]], deadline: float) -> None:
        """A step that meets a server which is just being killed is tried again on the next one."""
        while True:
            try:
                return await step()
            except TransientError as e:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                self._log.write(OWN_NAME, f"{name}: {e}; trying again")
            await asyncio.sleep(1.0)

    def _excused(self, spec: ChildSpec, now: float) -> bool:
        return any(now - self._ended_at[d] < self._limits.excuse_s for d in spec.depends_on if d in self._ended_at)

    def _too_many(self, name: str, crashes: deque[float], kills: deque[float], now: float) -> str:
        for times in (crashes, kills):
            while times and now - times[0] > self._limits.window_s:
                times.popleft()
        window = f"{self._limits.window_s:g} s"
        if len(crashes) >= self._limits.crashes:
            last = "\n".join(f"  {line}" for line in self._log.tail(name))
            return f"{name} ended {len(crashes)} times within {window}; it last said:\n{last}"
        if len(kills) >= self._limits.kills:
            return f"{name} was killed from outside, or lost what it needs, {len(kills)} times within {window}; is memory short (see `dmesg`)?"
        return ""

    # ------------------------------------------------------------ all of them

    async def _tell_all_ready(self) -> None:
        for event in self._first_ready.values():
            await event.wait()
        self.all_ready.set()
        self._tell(Event("all_ready", text="everything is ready"))

    async def _stop_all(self) -> None:
        for spec in reversed(self._specs):
            child = self._children.get(spec.name)
            if child is None:
                continue
            was_running = child.running
            clean = await child.stop()
            if was_running:
                how = "stopped" if clean else f"did not stop within {spec.stop_timeout_s:g} s and was killed"
                self._tell(Event("stopped", spec.name, f"{spec.name} {how}", child.pid))

    def _give_up(self, name: str, reason: str) -> None:
        self._failure = self._failure or reason
        self._tell(Event("gave_up", name, reason))
        self._failed.set()

    def _tell(self, event: Event) -> None:
        if event.text:
            self._log.write(OWN_NAME, event.text)
        if self._on_event is not None:
            self._on_event(event)


async def _says_yes(question: Question, pid: int) -> bool:
    with contextlib.suppress(OSError, TimeoutError):
        return await question(pid)
    return False


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"


def _ordered(specs: Sequence[ChildSpec]) -> tuple[ChildSpec, ...]:
    """Dependencies first. Raises ConfigurationError for a circle or an unknown name."""
    left = {spec.name: spec for spec in specs}
    if len(left) != len(specs):
        raise ConfigurationError("two children have the same name; rename one")
    done: list[ChildSpec] = []
    while left:
        free = [s for s in left.values() if not any(d in left for d in s.depends_on)]
        unknown = {d for s in specs for d in s.depends_on} - {s.name for s in specs}
        if not free or unknown:
            raise ConfigurationError(
                f"children depend on each other in a circle or on nobody: {', '.join(unknown or left)}"
            )
        done += [left.pop(spec.name) for spec in free]
    return tuple(done)
