"""One supervised process: how it is described, started, asked and ended."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config import processes
from worker.supervisor_log import CombinedLog, copy_lines

DRAIN_S = 1.0  # what a dead child's pipe may still hold, while a grandchild keeps it open


Question = Callable[[int], Awaitable[bool]]


@dataclass(frozen=True)
class ChildSpec:
    """What the supervisor must know of one process.

    `prepare` runs before every start, `on_ready` after the first readiness (dependants wait for it). `ready` gets
    the process id and asks the process itself; it may raise OSError for "not yet". `alive` is asked again and again
    after that: a process that hangs keeps its port and its pid. `death_signal` is what the kernel sends when the
    supervisor is killed: SIGKILL unless the process has a faster clean way.
    """

    name: str
    argv: Sequence[str] | Callable[[], Sequence[str]]
    ready: Question | None = None
    alive: Question | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    cwd: Path | None = None
    depends_on: tuple[str, ...] = ()
    prepare: Callable[[], Awaitable[None]] | None = None
    on_ready: Callable[[], Awaitable[None]] | None = None
    spawn_options: Callable[[], Mapping[str, Any]] = dict[str, Any]
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 10.0
    ready_timeout_s: float = 120.0
    death_signal: signal.Signals = signal.SIGKILL
    shown: Callable[[str], str] = str  # one of its lines, as the combined log shows it


class Child:
    """One running process. It leads its own session, so that Ctrl-C in the terminal reaches only the supervisor."""

    def __init__(self, spec: ChildSpec, process: asyncio.subprocess.Process, output: "asyncio.Task[None]") -> None:
        self.spec = spec
        self._process = process
        self._output = output
        self.given_up = False

    @classmethod
    async def start(cls, spec: ChildSpec, log: CombinedLog) -> "Child":
        """Fork and execute. Call it in the main thread: the death signal watches the forking thread."""
        argv = spec.argv() if callable(spec.argv) else spec.argv
        options: dict[str, Any] = {"cwd": spec.cwd, **spec.spawn_options()}
        # A pipe of our own: asyncio's `wait` would not return while a grandchild holds asyncio's pipe open.
        reading, writing = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                env=dict(spec.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=processes.die_with_parent(spec.death_signal),
                **options,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        output = asyncio.create_task(_copy(reading, spec, log))
        return cls(spec, process, output)

    @property
    def pid(self) -> int:
        """The process id, which is also the number of its session and group."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.returncode is None

    async def wait(self) -> int:
        """Wait for the end, then end whatever it left in its group. Returns the code, negative for a signal."""
        code = await self._process.wait()
        self.signal_group(signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._output, DRAIN_S)
        return code

    async def stop(self) -> bool:
        """End it: its own signal first, then SIGKILL for the whole group. Whether the first sufficed."""
        clean = True
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(self.spec.stop_signal)
            try:
                await asyncio.wait_for(self._process.wait(), self.spec.stop_timeout_s)
            except TimeoutError:
                clean = False
        self.signal_group(signal.SIGKILL)
        await self.wait()
        return clean

    def kill(self) -> None:
        """End it and its group now, by our own decision."""
        self.given_up = True
        self.signal_group(signal.SIGKILL)

    def signal_group(self, signum: signal.Signals) -> None:
        """Signal it and every process that it started and that kept its group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signum)


async def _copy(reading: int, spec: ChildSpec, log: CombinedLog) -> None:
    stream = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb", 0)
    )
    try:
        await copy_lines(stream, lambda line: _write(line, spec, log))
    finally:
        transport.close()


def _write(line: str, spec: ChildSpec, log: CombinedLog) -> None:
    if shown := spec.shown(line).rstrip():
        log.write(spec.name, shown)
