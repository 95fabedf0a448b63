"""One connection that hears what changes, for all subscribers of a process."""

import asyncio
from collections.abc import Callable, Sequence

import psycopg
from psycopg import AsyncConnection, sql

from adapters.database.pool import conninfo
from config.logging import logger

_log = logger(__name__)
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0


class Listener:
    """LISTENs on `channels` until cancelled, and comes back after every loss of the connection.

    `heard(channel, payload)` and `wake_everybody()` are plain functions that must return at once: set an event, put
    into a queue. `wake_everybody` follows every (re)connection, because notifications sent meanwhile are gone for
    good: whoever waits must read the record again from its own position.
    """

    def __init__(
        self,
        url: str,
        channels: Sequence[str],
        heard: Callable[[str, str], None],
        wake_everybody: Callable[[], None],
    ) -> None:
        self._url = url
        self._channels = tuple(channels)
        self._heard = heard
        self._wake_everybody = wake_everybody
        self.connected = asyncio.Event()  # whether notifications arrive now

    async def run(self) -> None:
        """Listen until cancelled. A server that is away is tried again, at the latest every 5 seconds."""
        pause = _FIRST_PAUSE_S
        while True:
            try:
                await self._listen()
            except psycopg.Error as e:
                pause = _FIRST_PAUSE_S if self.connected.is_set() else min(pause * 2, _LONGEST_PAUSE_S)
                _log.warning("listener.lost", error=type(e).__name__, again_in_s=pause)
            finally:
                self.connected.clear()
            await asyncio.sleep(pause)

    async def _listen(self) -> None:
        # Its own connection, never the pool's: another statement on it would hold notifications back.
        async with await AsyncConnection.connect(conninfo(self._url), autocommit=True) as conn:
            for channel in self._channels:
                await conn.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            self.connected.set()
            self._wake_everybody()
            async for note in conn.notifies():
                self._heard(note.channel, note.payload)
