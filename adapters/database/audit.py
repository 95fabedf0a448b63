"""Who did what, for people who ask later."""

from datetime import datetime

from adapters.database.pool import Pool
from adapters.database.text import jsonb


class AuditStore:
    """Append only. `key` makes a repeated write the same entry."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def audit(
        self, key: str, at: datetime, actor_kind: str, actor: str, action: str, target: str, detail: dict[str, object]
    ) -> None:
        """`actor_kind`: user, session, system, cli or web."""
        params = {
            "key": key,
            "at": at,
            "actor_kind": actor_kind,
            "actor": actor,
            "action": action,
            "target": target,
            "detail": jsonb(detail),
        }
        await self._pool.write("save_audit", params)
