"""One unit: its process, its states, and what can be done with it."""

import asyncio
import hashlib
import os
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config import processes
from demo.host import tree
from demo.host.definition import Definition
from demo.host.tree import Pid
from domain.action import TargetState
from domain.errors import TiercelError

LOG_BYTES = 1_000_000
TEST_S = 10.0
_POLL_S = 0.03


class RefusedError(Exception):
    """Nothing was done."""


class FailedError(Exception):
    """It was tried."""


class Unit:
    """Not restarted by itself when it ends: whether that is right is what Tiercel is for."""

    def __init__(
        self, definition: Definition, log: Path, environment: dict[str, str], register: Callable[[Pid], None]
    ) -> None:
        self.definition = definition
        self.lock = asyncio.Lock()
        self._log = log
        self._environment = environment
        self._register = register
        self._process: asyncio.subprocess.Process | None = None
        self._pid: Pid | None = None
        self._phase = ""  # starting or stopping while at it
        self._paused = False
        self._started_at = ""
        self._wanted = False

    # ------------------------------------------------------------ looking

    @property
    def pid(self) -> Pid | None:
        """The main process, while it runs."""
        if self._process is None or self._process.returncode is not None:
            return None
        return self._pid

    def state(self) -> TargetState:
        """A halted process counts as running: a service manager does not see the difference, which is the point."""
        pid = self.pid
        status, detail = self._words(pid)
        return TargetState(
            running=pid is not None and not self._paused,
            status=status,
            identity=pid.identity if pid else "",
            started_at=self._started_at if pid else "",
            config_digest=self._config_digest(),
            detail=detail,
        )

    async def settle(self) -> None:
        """Wait for the exit code of a process that has just ended."""
        if self._process is not None and self._pid is not None and not tree.alive(self._pid):
            await self._wait_end(2.0)

    def tail(self, lines: int) -> str:
        """The newest lines of the unit's log."""
        try:
            with self._log.open("rb") as file:
                file.seek(max(0, self._log.stat().st_size - 256_000))
                text = file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    async def test_config(self) -> str:
        """Why the configuration is invalid; empty where it is valid or cannot be tested."""
        if not self.definition.test:
            return ""
        process = await asyncio.create_subprocess_exec(
            *self.definition.test,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment,
        )
        try:
            async with asyncio.timeout(TEST_S):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            return f"the test did not end within {TEST_S:.0f} s"
        words = " ".join(output.decode("utf-8", "replace").split())[-400:]
        return "" if process.returncode == 0 else words or f"the test ended with exit code {process.returncode}"

    # ------------------------------------------------------------ acting (the caller holds the lock)

    async def start(self) -> str:
        """Raises RefusedError where it runs already, FailedError where it does not come up."""
        if self.pid is not None:
            raise RefusedError(f"{self.definition.name} is {self.state().status} already")
        self._phase = "starting"
        try:
            await self.definition.prepare()
            if self.definition.config is not None and not self.definition.config.exists():
                self._write_config()
            await self._spawn()
            await self._until_ready()
        except (TiercelError, OSError) as e:
            raise FailedError(f"{self.definition.name} could not be started: {e}") from e
        finally:
            self._phase = ""
        return f"{self.definition.name} was started"

    async def stop(self) -> str:
        """Asked kindly, then ended with everything below it."""
        pid = self.pid
        self._wanted = False
        if pid is None or self._process is None:
            return f"{self.definition.name} was not running"
        self._phase = "stopping"
        try:
            doomed = tree.below(pid)
            if not tree.is_stopped(pid):  # a halted process would not hear it
                tree.send([pid], self.definition.stop)
                await self._wait_end(self.definition.grace_s)
            known = {p.pid for p in doomed}
            doomed += [p for p in tree.below(pid) if p.pid not in known]
            tree.send(doomed, signal.SIGKILL)
            await self._process.wait()
            while any(tree.alive(p) for p in doomed):
                await asyncio.sleep(_POLL_S)
        finally:
            self._phase, self._paused = "", False
        return f"{self.definition.name} was stopped"

    async def restart(self) -> str:
        """Stop, then start with the configuration as it lies there."""
        await self.stop()
        await self.start()
        return f"{self.definition.name} was restarted"

    async def recreate(self) -> str:
        """Stop, write the configuration anew from the declaration, start."""
        await self.stop()
        if self.definition.config is not None:
            self._write_config()
        await self.start()
        return f"{self.definition.name} was created anew from its declaration"

    async def reload(self) -> str:
        """Test the configuration, then tell the process to read it."""
        pid = self.pid
        if self.definition.reload is None:
            raise RefusedError(f"{self.definition.name} cannot read its configuration while it runs; restart it")
        if pid is None or self._paused:
            raise RefusedError(f"{self.definition.name} is {self.state().status}")
        invalid = await self.test_config()
        if invalid:
            raise RefusedError(f"the configuration is invalid, so nothing was done: {invalid}")
        tree.send([pid], self.definition.reload)
        return f"{self.definition.name} was told to read its configuration again"

    async def pause(self) -> str:
        """Halt it, and know about it (unlike a process that hangs)."""
        pid = self.pid
        if pid is None or self._paused:
            raise RefusedError(f"{self.definition.name} is {self.state().status}")
        tree.send(tree.below(pid), signal.SIGSTOP)
        self._paused = True
        return f"{self.definition.name} was paused"

    async def unpause(self) -> str:
        """Undo `pause`. Raises RefusedError where it was not paused."""
        pid = self.pid
        if pid is None or not self._paused:
            raise RefusedError(f"{self.definition.name} is {self.state().status}, not paused")
        tree.send(tree.below(pid), signal.SIGCONT)
        self._paused = False
        return f"{self.definition.name} goes on"

    # ------------------------------------------------------------ steps

    async def _spawn(self) -> None:
        if self._log.exists() and self._log.stat().st_size > LOG_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))
        options: dict[str, Any] = {"env": self._environment, "cwd": "/", **self.definition.spawn()}
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.definition.argv(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=processes.die_with_parent(self.definition.parent_death),
                **options,
            )
        self._pid = tree.named(self._process.pid) or Pid(pid=self._process.pid, start=0)
        self._register(self._pid)
        self._paused, self._wanted = False, True
        self._started_at = datetime.now(UTC).isoformat()

    async def _until_ready(self) -> None:
        process = self._process
        loop = asyncio.get_running_loop()
        end = loop.time() + self.definition.ready_s
        while process is not None:
            if process.returncode is not None:
                raise FailedError(f"{self.definition.name} did not come up: {self._words(None)[1]}")
            if await self.definition.ready():
                return
            if loop.time() > end:
                raise FailedError(
                    f"{self.definition.name} runs, but is not ready after {self.definition.ready_s:.0f} s"
                )
            await asyncio.sleep(_POLL_S)

    async def _wait_end(self, limit_s: float) -> None:
        if self._process is not None:
            try:
                async with asyncio.timeout(limit_s):
                    await self._process.wait()
            except TimeoutError:
                return

    def _write_config(self) -> None:
        if self.definition.config is None:
            return
        fresh = self.definition.config.with_suffix(".new")
        fresh.write_text(self.definition.config_text(), encoding="utf-8")
        fresh.chmod(0o600)
        fresh.replace(self.definition.config)

    def _config_digest(self) -> str:
        try:
            raw = self.definition.config.read_bytes() if self.definition.config else b""
        except OSError:
            return "missing"
        return hashlib.sha256(raw).hexdigest()[:16]

    def _words(self, pid: Pid | None) -> tuple[str, str]:
        """Status and detail."""
        if self._phase:
            return self._phase, ""
        if pid is not None:
            return ("paused", "paused by its service manager") if self._paused else ("running", "")
        if self._process is None:
            return "stopped", ""
        code = self._process.returncode or 0
        if code == 0 or not self._wanted:
            return "stopped", f"ended with exit code {code}"
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        last = self.tail(1)
        return "failed", f"{how}; its last line: {last[:300]}" if last else how


def environment(root: Path) -> dict[str, str]:
    """All that units see of ours: where Python finds this program, and no secret."""
    found = {name: os.environ[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in os.environ}
    return {**found, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": "1", "HOME": str(root)}
