"""Which notices went where."""

from datetime import datetime

from adapters.database.pool import Pool
from domain.notice import Delivery, Notice


class NoticeStore:
    """Implements domain.ports.NoticeRecords."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def delivered(self, key: str, channel: str) -> bool:
        """Whether this notice has arrived through this channel before."""
        return bool(await self._pool.rows("has_delivery", {"key": key, "channel": channel}))

    async def save_delivery(self, notice: Notice, delivery: Delivery, at: datetime) -> None:
        """What one attempt gave. Delivered stays delivered."""
        params = {
            "key": notice.key,
            "channel": delivery.channel,
            "incident": notice.incident,
            "kind": notice.kind,
            "title": notice.title,
            "body": notice.body,
            "delivered": delivery.delivered,
            "message": delivery.message,
            "at": at,
        }
        topics = [f"incident:{notice.incident}"] if notice.incident else []
        await self._pool.write("save_delivery", params, "notice", *topics)
