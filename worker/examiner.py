"""What test buttons of the dashboard try in the worker: channels, credential, isolation. Each is really tried."""

from collections.abc import Awaitable, Callable

from adapters.doors.client import GatewayDoors
from config.settings import Settings
from domain.errors import TiercelError
from domain.examination import CHANNELS, ISOLATION, MODEL, Examination, ExaminationOrder, Finding
from domain.notice import Notice, NoticeKind
from domain.ports import Clock, NoticeRecords, Notifier
from worker import doctor_parts

_BODY = "Somebody pressed the test button on the settings page. This channel works."
_GATEWAY = "look at why the gateway does not run: `tiercel doctor`"


class PartsExaminer:
    """Implements domain.ports.Examiner."""

    def __init__(
        self, settings: Settings, notifier: Notifier, notices: NoticeRecords, doors: GatewayDoors, clock: Clock
    ) -> None:
        self._settings = settings
        self._notifier = notifier
        self._notices = notices
        self._doors = doors
        self._clock = clock

    async def examine(self, order: ExaminationOrder) -> Examination:
        """Look once. A part that does not exist is a finding too."""
        ways: dict[str, Callable[[str], Awaitable[Examination]]] = {
            CHANNELS: self._channels,
            MODEL: self._model,
            ISOLATION: self._isolation,
        }
        way = ways.get(order.part)
        if way is None:
            return _one(Finding(name=order.part, level="warn", cause="this worker does not know this part"))
        return await way(order.key)

    async def _channels(self, key: str) -> Examination:
        channels = self._notifier.channels()
        if not channels:
            fix = "set TIERCEL_APPRISE_URLS, for example ntfy://ntfy.sh/my-topic, and restart Tiercel"
            return _one(Finding(name="channels", level="warn", cause="none, so nobody is told anything", fix=fix))
        notice = Notice(key=f"test/{key}", kind=NoticeKind.TEST, title="Tiercel test message", body=_BODY)
        return Examination(findings=tuple([await self._told(channel, notice) for channel in channels]))

    async def _told(self, channel: str, notice: Notice) -> Finding:
        delivery = await self._notifier.send(channel, notice)
        await self._notices.save_delivery(notice, delivery, self._clock.now())
        if delivery.delivered:
            return Finding(name=channel, level="ok", cause=f"{delivery.message}; look whether it arrived")
        fix = "compare this address in TIERCEL_APPRISE_URLS with Apprise's page on the service"
        return Finding(name=channel, level="fail", cause=delivery.message, fix=fix)

    async def _model(self, _: str) -> Examination:
        try:
            return await self._doors.try_credential()
        except TiercelError as e:
            return _one(Finding(name="gateway", level="fail", cause=str(e), fix=_GATEWAY))

    async def _isolation(self, _: str) -> Examination:
        return Examination(findings=tuple(await doctor_parts.isolation(self._settings)))


def _one(finding: Finding) -> Examination:
    return Examination(findings=(finding,))
