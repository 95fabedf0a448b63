"""The notifier of last resort: tells people that the engine is down, without the engine."""

from collections.abc import Awaitable, Callable

from config.settings import Settings
from domain.notice import Notice, NoticeKind


def fallback(settings: Settings) -> Callable[[str, str], Awaitable[None]]:
    """Sends through every channel at once; what fails is left to the log, there is nobody to retry."""

    async def notify(title: str, body: str) -> None:
        from adapters.notify.apprise_notifier import AppriseNotifier

        notifier = AppriseNotifier(settings.apprise_urls)
        notice = Notice(key=f"fallback/{title}", kind=NoticeKind.BROKEN, title=title, body=body)
        for channel in notifier.channels():
            await notifier.send(channel, notice)

    return notify
