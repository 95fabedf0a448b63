"""The record as the gateway needs it. Connects when it is first needed, so that a missing Postgres stops nobody."""

import asyncio
from datetime import datetime

from pydantic import SecretStr

from adapters.database.audit import AuditStore
from adapters.database.health import HealthStore
from adapters.database.model_calls import ModelCallStore
from adapters.database.pool import Pool
from domain.errors import RecordUnavailableError
from domain.health import ServiceHealth
from domain.ids import ServiceId, SessionId
from domain.inventory import Inventory
from domain.session import ModelCall


class LateRecords:
    """Implements gateway.session.Records and gateway.observer.Health.

    Every method raises RecordUnavailableError while Postgres is away.
    """

    def __init__(self, url: SecretStr | None) -> None:
        self._url = url
        self._pool: Pool | None = None
        self._lock = asyncio.Lock()

    async def model_call(self, call: ModelCall) -> None:
        """Keep one request. The same id twice is one row."""
        await ModelCallStore(await self._connected()).model_call(call)

    async def spent(self, session: SessionId) -> float:
        """What the session's requests cost so far, in USD."""
        return await ModelCallStore(await self._connected()).spent(session)

    async def audit(
        self, key: str, at: datetime, actor_kind: str, actor: str, action: str, target: str, detail: dict[str, object]
    ) -> None:
        """Keep who did what. The same key twice is one entry."""
        await AuditStore(await self._connected()).audit(key, at, actor_kind, actor, action, target, detail)

    async def load_inventory(self) -> Inventory:
        """As last saved; empty before the first patrol."""
        return await HealthStore(await self._connected()).load_inventory()

    async def health(self) -> dict[ServiceId, ServiceHealth]:
        """What is held true of every service."""
        return await HealthStore(await self._connected()).health()

    async def close(self) -> None:
        """Give the connections back."""
        if self._pool is not None:
            await self._pool.close()

    async def _connected(self) -> Pool:
        async with self._lock:
            if self._pool is None:
                self._pool = await _open(self._url)
            return self._pool


async def _open(url: SecretStr | None) -> Pool:
    if url is None:
        raise RecordUnavailableError("DATABASE_URL is not set; `tiercel up` sets it")
    pool = Pool(url.get_secret_value(), max_size=4)
    await pool.open()
    return pool
