"""The gateway's own count of model requests."""

from typing import cast

from adapters.database.pool import Pool
from domain.ids import SessionId
from domain.session import ModelCall


class ModelCallStore:
    """Implements domain.ports.ModelRecords."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def model_call(self, call: ModelCall) -> None:
        """Keep one request. The same id twice is one row."""
        await self._pool.write("save_model_call", call.model_dump(), f"session:{call.session}")

    async def spent(self, session: SessionId) -> float:
        """What the session's requests cost so far, in USD."""
        rows = await self._pool.scalars("sum_cost_of_session", {"session": session})
        return float(cast("float", rows[0]))
