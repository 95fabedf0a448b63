"""Somebody is always told: one activity per channel, so that one dead channel delays no other."""

from collections.abc import Callable

from temporalio import activity

from activities.errors import mapped
from domain.errors import TransientError
from domain.incident import ApprovalState
from domain.links import Addresses, LinkPurpose
from domain.notice import Notice
from domain.ports import ApprovalLinks, Clock, NoticeRecords, Notifier
from domain.work import SendOrder
from policy import links
from policy.redaction import redactor

_TOKENS = redactor()


class NoticeActivities:
    """Sends and keeps what each channel answered."""

    def __init__(
        self,
        notifier: Notifier,
        records: NoticeRecords,
        clock: Clock,
        letters: ApprovalLinks,
        where: Addresses,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._notifier = notifier
        self._records = records
        self._clock = clock
        self._links = letters
        self._where = where
        self._redact = redact

    @activity.defn
    @mapped
    async def channels(self) -> tuple[str, ...]:
        """The channels that the owner configured."""
        return self._notifier.channels()

    @activity.defn
    @mapped
    async def send(self, order: SendOrder) -> bool:
        """Send once per key and channel. A channel that fails is tried again by Temporal, every answer is kept.

        Tokens are made here and go into the message alone: history and the record hold the notice without them.
        """
        if await self._records.delivered(order.notice.key, order.channel):
            return True
        notice = order.notice
        notice = notice.model_copy(update={"title": self._redact(notice.title), "body": self._redact(notice.body)})
        delivery = await self._notifier.send(order.channel, await self._with_links(notice, order.channel))
        delivery = delivery.model_copy(update={"message": _TOKENS(self._redact(delivery.message))})
        await self._records.save_delivery(notice, delivery, self._clock.now())
        if not delivery.delivered:
            raise TransientError(f"channel {order.channel}: {delivery.message}")
        return True

    async def _with_links(self, notice: Notice, channel: str) -> Notice:
        notice = links.addressed(notice, self._where)
        if notice.approval is None or not self._where.public_url:
            return notice
        approval = await self._links.approval(notice.approval)
        if approval is None or approval.state != ApprovalState.PENDING:
            return notice
        reader = links.reader_of(channel, self._where.channel_people, await self._links.readers())
        if not reader:
            return links.opening(notice)
        now = self._clock.now()
        page, deny = [
            await self._links.issue(approval, reader, purpose, channel, now)
            for purpose in (LinkPurpose.ANSWER, LinkPurpose.DENY)
        ]
        return links.carrying(notice, self._where, page, deny)
