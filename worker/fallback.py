"""The notifier of last resort: tells people that the engine is down, without the engine."""

from collections.abc import Awaitable, Callable

from config.settings import Settings
from domain.errors import TransientError
from domain.notice import Notice, NoticeKind


def fallback(settings: Settings) -> Callable[[str, str], Awaitable[None]]:
    """Sends through every channel. Where none delivers it raises TransientError, and the outage watch asks again."""

    async def notify(title: str, body: str) -> None:
        from adapters.notify.apprise_notifier import AppriseNotifier

        notifier = AppriseNotifier(settings.apprise_urls)
        notice = Notice(key=f"fallback/{title}", kind=NoticeKind.BROKEN, title=title, body=body)
        deliveries = [await notifier.send(channel, notice) for channel in notifier.channels()]
        if deliveries and not any(d.delivered for d in deliveries):
            raise TransientError("; ".join(f"{d.channel}: {d.message}" for d in deliveries))

    return notify
