"""The gateway of a machine that only runs sessions: the same sockets, which lead to another machine's gateway.

It holds no credential, and sessions hold no token: the relay shows it at the beginning of each connection. So the wall
around a session is what it is elsewhere: no network, one socket. Tokens live in this process's memory only; after a
restart each open door gets a new one as soon as somebody comes, so that a gateway that is away then delays nothing.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from activities.bait import SEEN
from adapters.doors.paths import listen
from domain.errors import ConfigurationError, TiercelError, TransientError
from domain.ids import SessionId
from domain.ports import Door
from gateway.doors import STATE_FILE, check, forget, write_state
from gateway.remote.far import CONNECT_S, Far, TurnedAwayError, Way

log = structlog.get_logger("gateway.relay")

PATIENCE_S = 10.0  # a gateway that restarts is waited for
PAUSE_S = 0.2
MAX_CONNECTIONS = 64
LAST_WORDS_S = 30.0
_CHUNK = 1 << 16


@dataclass
class _Led:
    door: Door
    token: str = ""  # empty after a restart, until it is needed
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)  # two who ask for a token would end each other's
    server: asyncio.Server | None = None
    running: set[asyncio.Task[None]] = field(default_factory=set["asyncio.Task[None]"])
    why: asyncio.Task[None] | None = None


class FarDoors:
    """Implements gateway.admin.Keeper."""

    def __init__(self, sessions_dir: Path, far: Far) -> None:
        self._sessions_dir = sessions_dir
        self._far = far
        self._led: dict[SessionId, _Led] = {}
        self._lock = asyncio.Lock()

    def sessions(self) -> tuple[SessionId, ...]:
        """The sessions whose doors lead on from here."""
        return tuple(self._led)

    async def open(self, door: Door) -> None:
        """Have the other gateway open the door, and lead to it. Raises ConfigurationError, TransientError."""
        check(self._sessions_dir, door)
        async with self._lock:
            door.folder.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            await asyncio.to_thread(write_state, door.folder.root / STATE_FILE, door.model_dump_json())
            led = self._led.get(door.session) or _Led(door)
            async with led.asking:
                led.token = await self._far.open(door, led.token) or led.token
            led.door = door
            if led.server is None or not door.folder.socket.exists():
                await self._listen(led)
            self._led[door.session] = led

    async def close(self, session: SessionId) -> bool:
        """End the door here and there. False where there was none. Raises ConfigurationError, TransientError."""
        async with self._lock:
            led = self._led.get(session)
            if led is None:
                forget(self._sessions_dir, session)
                return False
            await self._far.close(session, await self._token(led))
            del self._led[session]
            forget(self._sessions_dir, session)
            led.door.folder.socket.unlink(missing_ok=True)
            self._end(led)
            return True

    async def reopen(self) -> int:
        """Lead on from every door whose state file is there. A broken one is logged and left alone."""
        for state in sorted(self._sessions_dir.glob(f"*/{STATE_FILE}")):
            try:
                door = Door.model_validate_json(state.read_bytes())
                check(self._sessions_dir, door)
                async with self._lock:
                    led = self._led[door.session] = _Led(door)
                    await self._listen(led)
            except (ValueError, OSError, ConfigurationError) as e:
                log.warning("door not reopened", folder=state.parent.name, error=str(e)[:300])
        return len(self._led)

    async def stop(self) -> None:
        """Lead nobody on; the other gateway's doors stay for the next process."""
        for led in self._led.values():
            self._end(led)
        self._led.clear()

    # ------------------------------------------------------------ lead on

    async def _listen(self, led: _Led) -> None:
        if led.server is not None:
            led.server.close()
        folder = led.door.folder
        folder.door.mkdir(mode=0o755, exist_ok=True)  # as gateway/doors.py: only the bind mount leads here
        folder.door.chmod(0o755)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is None or len(led.running) >= MAX_CONNECTIONS:
                writer.transport.abort()
                return
            led.running.add(task)
            try:
                # Only we end it, with its door. The server would report that as a fault.
                with contextlib.suppress(asyncio.CancelledError):
                    await self._lead(led, (reader, writer))
            finally:
                led.running.discard(task)
                writer.transport.abort()

        led.server = await asyncio.start_unix_server(serve, sock=listen(folder.socket, 0o666))
        log.info("door leads to the other gateway", session=led.door.session, attempt=led.door.attempt)

    def _end(self, led: _Led) -> None:
        if led.server is not None:
            led.server.close()
        for task in (*led.running, *([led.why] if led.why else [])):
            task.cancel()

    async def _lead(self, led: _Led, near: Way) -> None:
        try:
            far = await self._reach(led)
        except TurnedAwayError:
            log.warning("the other gateway has ended this session's door", session=led.door.session)
            return
        except (OSError, TiercelError) as e:
            why = str(e) if isinstance(e, TiercelError) else type(e).__name__
            log.warning("the other gateway is not reached", session=led.door.session, error=why)
            return
        try:
            by_far = await _both_ways(near, far)
        finally:
            far[1].transport.abort()
        if by_far:
            self._ask_why(led)

    async def _reach(self, led: _Led) -> Way:
        """Raises TurnedAwayError, ConfigurationError; where nobody answers for a while, OSError or TransientError."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        async with asyncio.timeout_at(deadline + CONNECT_S):  # also for those who wait for each other's question
            while True:
                try:
                    return await self._far.door(await self._token(led))
                except (OSError, TransientError):
                    if asyncio.get_running_loop().time() > deadline:
                        raise
                await asyncio.sleep(PAUSE_S)

    async def _token(self, led: _Led) -> str:
        """The door's token; a new one after a restart. Raises as `open`."""
        async with led.asking:
            led.token = led.token or await self._far.open(led.door, "")
            return led.token

    def _ask_why(self, led: _Led) -> None:
        """It hung up. If the session's bait was seen, the worker here must know: it ends the session."""
        if led.why is None or led.why.done():
            led.why = asyncio.create_task(self._bait(led))

    async def _bait(self, led: _Led) -> None:
        while True:
            try:
                where = await self._far.bait_seen(led.door.session)
            except TransientError:  # it may have hung up because it starts again
                await asyncio.sleep(PAUSE_S)
            except TiercelError as e:
                log.warning("why the other gateway hung up is not known", session=led.door.session, error=str(e))
                return
            else:
                break
        if where:
            (led.door.folder.root / SEEN).write_text(where, encoding="utf-8")


async def _both_ways(near: Way, far: Way) -> bool:
    """Carry bytes until one end is silent for good. True where it was the far one. TLS knows no half-closed way."""
    up = asyncio.create_task(_pump(near[0], far[1]))
    down = asyncio.create_task(_pump(far[0], near[1]))
    try:
        await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        return down.done()
    finally:
        for task in (up, down):
            task.cancel()
        await asyncio.gather(up, down, return_exceptions=True)
        near[1].close()  # what was said last is still on its way
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(near[1].wait_closed(), LAST_WORDS_S)


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(_CHUNK):
            target.write(data)
            await target.drain()
