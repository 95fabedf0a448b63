"""Somebody is always told: one activity per channel, so that one dead channel delays no other."""

from collections.abc import Callable

from temporalio import activity

from activities.errors import mapped
from domain.errors import TransientError
from domain.ports import Clock, NoticeRecords, Notifier
from domain.work import SendOrder


class NoticeActivities:
    """Sends and keeps what each channel answered."""

    def __init__(
        self, notifier: Notifier, records: NoticeRecords, clock: Clock, redact: Callable[[str], str] = str
    ) -> None:
        self._notifier = notifier
        self._records = records
        self._clock = clock
        self._redact = redact

    @activity.defn
    @mapped
    async def channels(self) -> tuple[str, ...]:
        """The channels that the owner configured."""
        return self._notifier.channels()

    @activity.defn
    @mapped
    async def send(self, order: SendOrder) -> bool:
        """Send once per key and channel. A channel that fails is tried again by Temporal, every answer is kept."""
        if await self._records.delivered(order.notice.key, order.channel):
            return True
        notice = order.notice
        notice = notice.model_copy(update={"title": self._redact(notice.title), "body": self._redact(notice.body)})
        delivery = await self._notifier.send(order.channel, notice)
        delivery = delivery.model_copy(update={"message": self._redact(delivery.message)})
        await self._records.save_delivery(notice, delivery, self._clock.now())
        if not delivery.delivered:
            raise TransientError(f"channel {order.channel}: {delivery.message}")
        return True
