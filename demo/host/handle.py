"""Starts the host from another program, and holds on to it."""

import asyncio
import json
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from adapters.actions.unit_client import UnitClient
from adapters.database import server_place
from config import processes
from demo.host.place import host_file, socket_path
from demo.host.tree import Pid
from domain.action import TargetState
from domain.errors import ConfigurationError, TiercelError
from domain.ids import LOCAL_NODE

START_S = 90.0
STOP_S = 30.0


class HostHandle:
    """A running host. `repos` and `socket` are what TIERCEL_REPOS_DIR and TIERCEL_UNITS_SOCKET must be set to."""

    def __init__(self, root: Path, process: asyncio.subprocess.Process, announced: dict[str, Any]) -> None:
        self.root = root
        self.process = process
        self.socket = Path(announced["socket"])
        self.repos = Path(announced["repos"])
        self.ports: dict[str, int] = dict(announced["ports"])
        self.database_url = str(announced["database_url"])
        self.client = UnitClient({LOCAL_NODE: self.socket})
        self.background: set[asyncio.Task[None]] = set()
        self.container = ""  # the name of the container that joined, where one did

    @property
    def web_url(self) -> str:
        """The shop's own page."""
        return f"http://127.0.0.1:{self.ports['web']}/"

    async def state(self, unit: str) -> TargetState:
        """Raises TransientError where the host does not answer, ConfigurationError for an unknown unit."""
        state = await self.client.look(LOCAL_NODE, unit)
        if state is None:
            raise ConfigurationError(f"the demo has no unit {unit}")
        return state

    async def pid(self, unit: str) -> Pid | None:
        """The unit's main process."""
        identity = (await self.state(unit)).identity
        if not identity:
            return None
        pid, _, start = identity.partition(":")
        return Pid(pid=int(pid), start=int(start))

    async def order(self, op: str, unit: str) -> dict[str, Any]:
        """One order, as an operator would give it."""
        return await self.client.act(LOCAL_NODE, op, unit, 90.0)

    async def stop(self) -> None:
        """All services and their manager. Safe to call twice."""
        for task in self.background:
            task.cancel()
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_S):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


async def start_host(root: Path) -> HostHandle:
    """Start `python -m demo.host` and wait until its services were started. It ends with this process.

    Raises ConfigurationError with the host's last words.
    """
    root = root.absolute()
    for folder in (root, root / "run", root / "logs"):
        folder.mkdir(parents=True, exist_ok=True)
    log = root / "logs" / "host.log"
    environment = {**_plain_environment(), "PYTHONPATH": str(Path(__file__).parents[2])}
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "demo.host", "--root", str(root)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
            preexec_fn=processes.die_with_parent(signal.SIGTERM),
        )
    try:
        async with asyncio.timeout(START_S):
            while True:
                if process.returncode is not None:
                    raise ConfigurationError(f"the demo's services could not be started: {_last_words(log)}")
                with suppress(OSError, ValueError):
                    announced = json.loads(host_file(root).read_text(encoding="utf-8"))
                    if announced["pid"] == process.pid:
                        return HostHandle(root, process, announced)
                await asyncio.sleep(0.05)
    except BaseException as e:
        if process.returncode is None:
            process.terminate()
            await process.wait()
        if isinstance(e, TimeoutError):
            raise ConfigurationError(f"the demo's services were not ready after {START_S:.0f} s; see {log}") from e
        raise


async def remove_host(root: Path) -> None:
    """Delete everything that a stopped host kept, also what lies outside of its root."""
    await asyncio.to_thread(remove_outside, root)
    await asyncio.to_thread(shutil.rmtree, root, ignore_errors=True)


def remove_outside(root: Path) -> None:
    """Delete what a stopped host keeps outside of its root: do this before deleting the root itself."""
    with suppress(TiercelError, OSError):
        server_place.remove_outside(root / "database")
    with suppress(OSError):
        socket = socket_path(root.absolute())
        socket.unlink(missing_ok=True)
        if socket.parent != root.absolute() / "run":
            socket.parent.rmdir()


def _plain_environment() -> dict[str, str]:
    """Neither a credential nor a setting of ours reaches the services."""
    kept = ("PATH", "LANG", "LC_ALL", "VIRTUAL_ENV", "TMPDIR", "XDG_RUNTIME_DIR", "HOME")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:]
    return " / ".join(lines) or f"no words in {log}"
