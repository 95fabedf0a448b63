"""The gateway's own count of model requests."""

from adapters.database.pool import Pool
from domain.session import ModelCall


class ModelCallStore:
    """Implements domain.ports.ModelRecords."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def model_call(self, call: ModelCall) -> None:
        """Keep one request. The same id twice is one row."""
        await self._pool.write("save_model_call", call.model_dump(), f"session:{call.session}")
