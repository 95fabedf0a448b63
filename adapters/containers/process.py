"""Sessions as processes of this machine, under bubblewrap where it works."""

import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path

from adapters.containers import attempt, bubblewrap, files, host, sandbox, spares, waiting
from adapters.containers.spares import Spare
from domain.errors import TransientError
from domain.ids import SessionId
from domain.ports import EndReason, ExitState, Handle, Launch, SessionFolder
from domain.session import Isolation, Limits

_START_S = 10.0
_POLL_S = 0.02
# Ends well only when the door listens on the sandbox's own loopback: 127.0.0.1:9000, as the kernel writes it.
_PROBE = "for i in $(seq 200); do while read -r n local rest; do [ $local = 0100007F:2328 ] && exit 0; done </proc/net/tcp; sleep .01; done; exit 9"

_MEASURED = "limits measured (this user may make no control group, so processor time is bounded for each process only)"


class ProcessEngine:
    """The `process` engine. `binary` is the program that a launch's argv belongs to: the Claude Code CLI."""

    name = "process"

    def __init__(
        self,
        sessions: Path,
        cache: Path,
        binary: Path,
        lease_s: float = attempt.LEASE_S,
        sweep_age_s: float = attempt.SWEEP_AGE_S,
    ) -> None:
        self._sessions = sessions
        self._cache = cache
        self._binary = binary
        self._lease_s = lease_s
        self._sweep_age_s = sweep_age_s
        self._isolation: Isolation | None = None
        self._bwrap: Path | None = None
        self._options: frozenset[str] = frozenset()
        self._limits = ""
        self._probing = asyncio.Lock()

    async def isolation(self) -> Isolation:
        """Tried once, with the whole chain of a real session: sandbox, loopback, door."""
        async with self._probing:
            if self._isolation is None:
                self._isolation = await self._probe()
        return self._isolation

    async def start_or_attach(self, launch: Launch) -> Handle:
        """See `domain.ports.Engine`. Raises TransientError where no runner came up."""
        isolated = (await self.isolation()).isolated
        try:
            return await self._start(launch, self._binary, isolated=isolated)
        except OSError as e:
            raise attempt.cannot_prepare(launch, e) from e

    async def read(self, handle: Handle, offset: int, limit: int = 1 << 20) -> bytes:
        """See `domain.ports.Engine`."""
        return await asyncio.to_thread(attempt.read, handle, offset, limit)

    async def exited(self, handle: Handle) -> ExitState | None:
        """See `domain.ports.Engine`. `lost`: the runner was killed, and everything below it is gone."""
        return host.exited(handle)

    async def stop(self, handle: Handle, grace_s: float = 3.0, reason: EndReason = "stopped") -> ExitState:
        """See `domain.ports.Engine`."""
        return await host.stop(handle, grace_s, reason)

    async def sweep(self, alive: frozenset[SessionId]) -> tuple[SessionId, ...]:
        """See `domain.ports.Engine`. This installation's processes are those whose folders lie in its home."""
        return await host.sweep(self._sessions, alive, self._sweep_age_s)

    # ------------------------------------------------------------ start

    async def _start(self, launch: Launch, binary: Path, *, isolated: bool) -> Handle:
        folder = launch.folder.attempt(launch.attempt)
        if attempt.started(folder) is None:
            await asyncio.to_thread(spares.take, self._sessions, launch, self._key())
            await asyncio.to_thread(attempt.prepare, launch, os.geteuid())
            plan = attempt.spec(launch, "open", [str(binary), *launch.argv], self._lease_s)
            if isolated:
                plan |= {
                    "mode": "sandbox",
                    "command": [sandbox.CLI_INSIDE, *launch.argv],
                    "bwrap": str(self._bwrap),
                    "bwrap_args": sandbox.arguments(launch, binary, self._options),
                    "rules": str(sandbox.RULES),
                }
            attempt.mark_on_host(folder)
            files.write_atomic(str(folder / files.LAUNCH), plan, durable=False)
            if not await asyncio.to_thread(self._wake, folder):
                await _run_runner(folder / files.RUNNER_LOG, attempt.RUNNER_FLAGS, str(folder / files.LAUNCH))
        who = await self._wait_for_start(folder)
        return Handle(
            session=launch.session,
            attempt=launch.attempt,
            engine=self.name,
            identity=f"{who['pid']}:{who['start_time']}",
            folder=launch.folder,
        )

    def _wake(self, folder: Path) -> bool:
        spare = spares.read(folder)
        if spare is None:
            return False
        woken = spares.wake(folder, str(folder / files.LAUNCH)) or attempt.started(folder) is not None
        spares.remove(spares.folder_of(self._sessions, spare.name))
        return woken

    async def _wait_for_start(self, folder: Path) -> dict[str, object]:
        for _ in range(int(_START_S / _POLL_S)):
            if who := attempt.started(folder):
                return who
            await asyncio.sleep(_POLL_S)
        raise TransientError(f"The runner of a session did not start: {_last_words(folder)}")

    # ------------------------------------------------------------ spares

    async def spare_key(self, limits: Limits, read_only: tuple[Path, ...]) -> str:
        """What a waiting runner must be made like now. Its wall is made when its session comes, so it fits them all."""
        return self._key()

    async def make_spare(self, limits: Limits, read_only: tuple[Path, ...]) -> None:
        """Start a runner that waits; returns when it does. Raises TransientError where it does not come to that."""
        name = f"{spares.PREFIX}{os.urandom(8).hex()}"
        folder = await asyncio.to_thread(spares.make, self._sessions, name, os.geteuid())
        spares.sign(folder, Spare(name=name, key=self._key()))
        place, lease = folder.attempt(1), folder.root / files.LEASE
        told = (str(place / files.GO), str(lease), str(self._lease_s), waiting.ON_HOST)
        await _run_runner(place / files.RUNNER_LOG, attempt.WAITING_FLAGS, *told)
        if not spares.waited(folder):
            raise TransientError(f"A runner that should wait for a session does not: {_last_words(place)}")

    async def end_spare(self, folder: SessionFolder) -> None:
        """End a runner that waits, or what is left of one."""
        if await asyncio.to_thread(spares.dismiss, folder):
            await asyncio.to_thread(spares.remove, folder)

    def _key(self) -> str:
        return spares.key_of({"python": sys.executable, "lease_s": self._lease_s}, Path(__file__).parent)

    # ------------------------------------------------------------ isolation

    async def _probe(self) -> Isolation:
        if sys.platform != "linux":
            return self._no("bubblewrap needs Linux; use TIERCEL_ENGINE=container")
        self._bwrap = await asyncio.to_thread(bubblewrap.find, self._cache)
        if self._bwrap is None:
            return self._no("bubblewrap is missing; install it (apt install bubblewrap)")
        self._options = await asyncio.to_thread(bubblewrap.options, self._bwrap)
        state = await self._try_session()
        if state.reason != "exited" or state.code != 0:
            return self._no(
                f"{self._bwrap} cannot make a sandbox here ({state.stderr_tail.splitlines()[0] if state.stderr_tail else state.reason}); "
                "allow unprivileged user namespaces, or use TIERCEL_ENGINE=container"
            )
        return Isolation(engine=self.name, isolated=True, how=f"bubblewrap ({self._bwrap}), {self._limits}")

    def _no(self, why: str) -> Isolation:
        return Isolation(engine=self.name, isolated=False, how=f"not isolated: {why}")

    async def _try_session(self) -> ExitState:
        root = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="tiercel-probe-"))
        launch = Launch(
            session=SessionId(root.name),
            attempt=1,
            folder=SessionFolder(root=root),
            argv=("-c", _PROBE),
            env={"PATH": "/usr/bin:/bin"},
            prompt="",
            timeout_s=_START_S,
        )
        try:
            handle = await self._start(launch, Path("/bin/sh"), isolated=True)
            state = await host.wait_for_end(handle, _START_S)
            who = attempt.started(launch.folder.attempt(1)) or {}
            self._limits = _MEASURED if who.get("limits") == "sampled" else f"limits by {who.get('limits')}"
        finally:
            await asyncio.to_thread(shutil.rmtree, root, ignore_errors=True)
        return state or ExitState(code=None, reason="timeout")


def _last_words(folder: Path) -> str:
    return (folder / files.RUNNER_LOG).read_text(errors="replace")[-500:].strip() or "no message"


async def _run_runner(log_path: Path, flags: tuple[str, ...], *told: str) -> None:
    """Start a runner; returns when it has left us (it is nobody's child then) and is there."""
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        starter = await asyncio.create_subprocess_exec(
            sys.executable,
            *flags,
            attempt.RUNNER_PATH,
            *told,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={},  # nothing of ours may reach a session, not even by way of its runner
            start_new_session=True,
            cwd="/",
        )
    finally:
        os.close(log)
    await starter.communicate()
