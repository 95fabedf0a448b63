"""Opens and closes doors: one Unix socket per session, whose path is the session's identity.

Each door has a server of its own that knows its session, so nothing in a request can name another one. A session that
runs on another machine has a token instead of the socket: the door behind it is the same.
"""

import asyncio
import contextlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import cast

import structlog
from aiohttp import web

from activities.bait import seen_outside
from adapters.doors.paths import listen
from domain.errors import ConfigurationError
from domain.ids import SessionId
from domain.ports import Door, SessionFolder
from gateway.door_app import build
from gateway.egress import Egress
from gateway.guard import Connections, Guard
from gateway.malformed import QUIET, malformed
from gateway.remote import tokens
from gateway.remote.tokens import Kept
from gateway.session import Behind, Session

log = structlog.get_logger("gateway.doors")

MAX_HEADERS = 64  # of 8 kB each
STATE_FILE = "session.json"
TOKEN_FILE = "token.json"  # noqa: S105 - holds a hash and a time
SLACK_S = 60.0  # a token outlives the wall clock of its process by the time that its start and end take
LONGEST_S = 24 * 3600.0
TOLD_S = 0.5  # the last answer of a stopped session may still be on its way
_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass
class _Open:
    session: Session
    runner: web.AppRunner
    connections: Connections
    server: asyncio.Server | None = None
    inode: int = 0
    kept: Kept | None = None  # of a remote door
    timer: asyncio.TimerHandle | None = None

    async def end(self) -> None:
        """Serve nothing more. What runs gets a second; over a network it gets none."""
        if self.timer is not None:
            self.timer.cancel()
        if self.server is not None:
            self.server.close()
        if self.kept is not None:
            self.connections.abort()
        await self.runner.cleanup()
        self.connections.abort()


class DoorKeeper:
    """All open doors. Their files outlive this process, so that the next one opens the same doors."""

    def __init__(self, sessions_dir: Path, behind: Behind) -> None:
        self._sessions_dir = sessions_dir
        self._behind = behind
        self._open: dict[SessionId, _Open] = {}
        self._lock = asyncio.Lock()
        self._closing: asyncio.Future[bool] | None = None

    def sessions(self) -> tuple[SessionId, ...]:
        """The sessions whose doors are open."""
        return tuple(self._open)

    async def open(self, door: Door) -> None:
        """Serve `door`, or refresh what is known of it. Raises ConfigurationError for a folder that is not ours."""
        door = door.model_copy(update={"remote": False})
        check(self._sessions_dir, door)
        async with self._lock:
            door.folder.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            (door.folder.root / TOKEN_FILE).unlink(missing_ok=True)
            await asyncio.to_thread(write_state, door.folder.root / STATE_FILE, door.model_dump_json())
            await self._serve(door)
            self._open[door.session].session.tell_tools()

    async def open_remote(self, door: Door, token: str, random: Callable[[int], bytes]) -> str:
        """Serve `door` for another machine. Gives its new token, or "" where `token` is the one that it has.

        A new one ends the old one and every connection that came in by it: the newest opener has the door.
        """
        folder = SessionFolder(root=self._sessions_dir / door.session)
        door = door.model_copy(update={"folder": folder, "remote": True})
        check(self._sessions_dir, door)
        async with self._lock:
            known = self._open.get(door.session)
            now = self._behind.clock.now()
            same = known is not None and known.session.door.attempt == door.attempt
            if known is not None and same and tokens.fits(token, known.kept, now):
                await asyncio.to_thread(write_state, folder.root / STATE_FILE, door.model_dump_json())
                known.session.door = door
                known.session.tell_tools()
                return ""
            fresh = tokens.make(door.session, random)
            ends_at = now + timedelta(seconds=min(door.timeout_s, LONGEST_S) + SLACK_S)
            kept = tokens.kept(fresh, ends_at)
            folder.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            await asyncio.to_thread(write_state, folder.root / TOKEN_FILE, kept.model_dump_json())
            await asyncio.to_thread(write_state, folder.root / STATE_FILE, door.model_dump_json())
            await self._serve_remote(door, kept)
            self._open[door.session].session.tell_tools()
            return fresh

    def enter(self, token: str) -> Connections | None:
        """The connections of the door that a token opens, or None."""
        found = self._open.get(tokens.session_of(token))
        fits = tokens.fits(token, found.kept if found else None, self._behind.clock.now())
        return found.connections if found is not None and fits else None

    def remote(self) -> tuple[SessionId, ...]:
        """The sessions whose doors other machines have."""
        return tuple(session for session, found in self._open.items() if found.kept is not None)

    def bait_seen(self, session: SessionId) -> str:
        """Where a remote session's bait was seen; "" where it was not."""
        found = self._open.get(session)
        return seen_outside(found.session.door.folder) if found is not None and found.kept is not None else ""

    async def close_remote(self, session: SessionId, token: str) -> bool:
        """Close a door for the machine that has it. False for everybody else: another one may have it by now."""
        found = self._open.get(session)
        if found is None or found.kept is None or not tokens.fits(token, found.kept, self._behind.clock.now()):
            return False
        return await self._close(session, found)

    async def close(self, session: SessionId) -> bool:
        """Stop serving and forget the door, and its token. False where there was none."""
        return await self._close(session)

    async def _close(self, session: SessionId, only: _Open | None = None) -> bool:
        async with self._lock:
            found = self._open.get(session)
            if only is not None and found is not only:
                return False
            forget(self._sessions_dir, session)
            if found is None:
                return False
            del self._open[session]
            found.session.door.folder.socket.unlink(missing_ok=True)
            await found.end()
            found.session.close()
            return True

    async def reopen(self) -> int:
        """Open every door whose state file is there. A broken one is logged and left alone."""
        for state in sorted(self._sessions_dir.glob(f"*/{STATE_FILE}")):
            try:
                door = Door.model_validate_json(state.read_bytes())
                check(self._sessions_dir, door)
                async with self._lock:
                    if door.remote:
                        await self._serve_remote(door, Kept.model_validate_json(_token_file(door).read_bytes()))
                    else:
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

    async def _serve(self, door: Door) -> None:
        known = self._open.get(door.session)
        if known is not None and known.kept is None and _inode(door.folder.socket) == known.inode:
            known.session.door = door
            return
        if known is not None:
            await known.end()
            known.session.close()
            del self._open[door.session]
        # Readable for the session's own uid; the folder above is 0700, so only the bind mount leads here.
        door.folder.door.mkdir(mode=0o755, exist_ok=True)
        door.folder.door.chmod(0o755)
        made = await self._made(door)
        listener = listen(door.folder.socket, 0o666)
        made.server = await asyncio.get_running_loop().create_server(lambda: Guard(made.connections), sock=listener)
        made.inode = _inode(door.folder.socket)
        self._open[door.session] = made
        log.info("door open", session=door.session, tier=door.tier, attempt=door.attempt)

    async def _serve_remote(self, door: Door, kept: Kept) -> None:
        known = self._open.pop(door.session, None)
        if known is not None:
            await known.end()
            known.session.close()
            door.folder.socket.unlink(missing_ok=True)
        made = await self._made(door)
        made.kept = kept
        loop = asyncio.get_running_loop()
        made.session.when_stopped = lambda: loop.call_later(TOLD_S, made.connections.abort)
        left = (kept.ends_at - self._behind.clock.now()).total_seconds()
        made.timer = loop.call_later(max(0.0, left), self._over, made)
        self._open[door.session] = made
        log.info("remote door open", session=door.session, tier=door.tier, attempt=door.attempt)

    def _over(self, made: _Open) -> None:
        log.warning("the time of a remote session is over: its door is closed", session=made.session.door.session)
        self._closing = asyncio.ensure_future(self._close(made.session.door.session, made))

    async def _made(self, door: Door) -> _Open:
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
        return _Open(session, runner, connections)


def check(sessions_dir: Path, door: Door) -> None:
    """Raises ConfigurationError where a door names no session, or a folder that is not the session's own."""
    expected = sessions_dir / door.session
    if not _SESSION.fullmatch(door.session):
        raise ConfigurationError(f"'{door.session[:80]}' cannot name a session: letters, digits, '-' and '_' only")
    if door.folder.root != expected or expected.is_symlink():
        raise ConfigurationError(f"the folder of session {door.session} must be {expected}, and a plain folder")


def forget(sessions_dir: Path, session: SessionId) -> None:
    """Let no later gateway open this door again, also where the one of now could not."""
    if _SESSION.fullmatch(session):
        for name in (STATE_FILE, TOKEN_FILE):
            (sessions_dir / session / name).unlink(missing_ok=True)


def _token_file(door: Door) -> Path:
    return door.folder.root / TOKEN_FILE


def _inode(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_ino
    return 0


def write_state(path: Path, text: str) -> None:
    """Whole or not at all, for our own user only, and on disk when this returns."""
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
