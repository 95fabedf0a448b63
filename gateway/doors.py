"""Opens and closes doors: one Unix socket per session, whose path is the session's identity.

Each door has a server of its own that knows its session, so nothing in a request can name another one.
"""

import asyncio
import contextlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import structlog
from aiohttp import web

from adapters.doors.paths import listen
from domain.errors import ConfigurationError
from domain.ids import SessionId
from domain.ports import Door
from gateway.door_app import build
from gateway.egress import Egress
from gateway.guard import Connections, Guard
from gateway.malformed import QUIET, malformed
from gateway.session import Behind, Session

log = structlog.get_logger("gateway.doors")

MAX_HEADERS = 64  # of 8 kB each
STATE_FILE = "session.json"
_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass
class _Open:
    session: Session
    runner: web.AppRunner
    server: asyncio.Server
    connections: Connections
    inode: int

    async def end(self) -> None:
        """Serve nothing more. What runs gets a second."""
        self.server.close()
        await self.runner.cleanup()
        self.connections.abort()


class DoorKeeper:
    """All open doors. Their files outlive this process, so that the next one opens the same doors."""

    def __init__(self, sessions_dir: Path, behind: Behind) -> None:
        self._sessions_dir = sessions_dir
        self._behind = behind
        self._open: dict[SessionId, _Open] = {}
        self._lock = asyncio.Lock()

    def sessions(self) -> tuple[SessionId, ...]:
        """The sessions whose doors are open."""
        return tuple(self._open)

    async def open(self, door: Door) -> None:
        """Serve `door`, or refresh what is known of it. Raises ConfigurationError for a folder that is not ours."""
        self._check(door)
        async with self._lock:
            door.folder.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            await asyncio.to_thread(_write, door)
            await self._serve(door)

    async def close(self, session: SessionId) -> bool:
        """Stop serving and forget the door. False where there was none."""
        async with self._lock:
            found = self._open.pop(session, None)
            if found is None:
                return False
            folder = found.session.door.folder
            (folder.root / STATE_FILE).unlink(missing_ok=True)
            folder.socket.unlink(missing_ok=True)
            await found.end()
            found.session.close()
            return True

    async def reopen(self) -> int:
        """Open every door whose state file is there. A broken one is logged and left alone."""
        for state in sorted(self._sessions_dir.glob(f"*/{STATE_FILE}")):
            try:
                door = Door.model_validate_json(state.read_bytes())
                self._check(door)
                async with self._lock:
                    await self._serve(door)
                self._open[door.session].session.recall()
            except (ValueError, OSError, ConfigurationError) as e:
                log.warning("door not reopened", folder=state.parent.name, error=str(e)[:300])
        return len(self._open)

    async def stop(self) -> None:
        """Stop serving; all files stay for the next process."""
        async with self._lock:
            doors = list(self._open.values())
            self._open.clear()
            await asyncio.gather(*(d.end() for d in doors))
            for door in doors:
                door.session.reads.flush()

    def _check(self, door: Door) -> None:
        expected = self._sessions_dir / door.session
        if not _SESSION.fullmatch(door.session):
            raise ConfigurationError(f"'{door.session[:80]}' cannot name a session: letters, digits, '-' and '_' only")
        if door.folder.root != expected or expected.is_symlink():
            raise ConfigurationError(f"the folder of session {door.session} must be {expected}, and a plain folder")

    async def _serve(self, door: Door) -> None:
        known = self._open.get(door.session)
        if known is not None and _inode(door.folder.socket) == known.inode:
            known.session.door = door
            return
        if known is not None:
            await known.end()
            del self._open[door.session]
        # Readable for the session's own uid; the folder above is 0700, so only the bind mount leads here.
        door.folder.door.mkdir(mode=0o755, exist_ok=True)
        door.folder.door.chmod(0o755)
        session = Session(door, self._behind)
        runner = web.AppRunner(
            build(session),
            access_log=QUIET,
            access_log_class=malformed(session.reads),
            handler_cancellation=True,
            shutdown_timeout=1.0,
            max_headers=MAX_HEADERS,
        )
        await runner.setup()
        connections = Connections(
            session.bounds, cast("Callable[[], asyncio.Protocol]", runner.server), Egress(session).protocol
        )
        listener = listen(door.folder.socket, 0o666)
        server = await asyncio.get_running_loop().create_server(lambda: Guard(connections), sock=listener)
        self._open[door.session] = _Open(session, runner, server, connections, _inode(door.folder.socket))
        log.info("door open", session=door.session, tier=door.tier, attempt=door.attempt)


def _inode(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_ino
    return 0


def _write(door: Door) -> None:
    path = door.folder.root / STATE_FILE
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(door.model_dump_json().encode())
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
