"""The connection to Temporal, made when it is first needed: pages work without it and say so."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from temporalio.client import Client
from temporalio.service import RPCError

from domain.errors import EngineUnavailableError

_FAILED_FOR_S = 2.0  # after a failure, do not make every request wait for another one
_ALIVE_FOR_S = 5.0
_CHECK_S = 1.5


class EngineLink:
    """Gives the client, and knows whether the engine answered lately."""

    def __init__(self, connect: Callable[[], Awaitable[Client]]) -> None:
        self._connect = connect
        self._client: Client | None = None
        self._lock = asyncio.Lock()
        self._failed_at = -_FAILED_FOR_S
        self._failure = ""
        self._checked_at = -_ALIVE_FOR_S
        self._answered = False

    async def client(self) -> Client:
        """The client. Raises EngineUnavailableError where the engine was never reached."""
        async with self._lock:
            if self._client is not None:
                return self._client
            if time.monotonic() - self._failed_at < _FAILED_FOR_S:
                raise EngineUnavailableError(self._failure)
            try:
                self._client = await self._connect()
            except EngineUnavailableError as e:
                self._failed_at, self._failure = time.monotonic(), str(e)
                raise
            return self._client

    async def alive(self) -> bool:
        """Whether the engine answers, asked at most every five seconds and never for long."""
        if time.monotonic() - self._checked_at < _ALIVE_FOR_S:
            return self._answered
        try:
            async with asyncio.timeout(_CHECK_S):
                client = await self.client()
                self._answered = await client.service_client.check_health()
        except (EngineUnavailableError, RPCError, TimeoutError, RuntimeError):
            self._answered = False
        self._checked_at = time.monotonic()
        return self._answered

    async def required(self) -> None:
        """For a page that is about the engine. Raises EngineUnavailableError soon where it does not answer."""
        if not await self.alive():
            await self.client()  # says more where it was never reached
            raise EngineUnavailableError("Temporal does not answer; is it running?")
