"""The receiver hears what a real Apprise sends."""

from adapters.notify.apprise_notifier import AppriseNotifier
from demo.receiver import Received, start_receiver
from domain.notice import Notice, NoticeKind


async def test_a_notice_sent_through_apprise_arrives():
    heard: list[Received] = []
    receiver = await start_receiver(heard.append)
    try:
        notifier = AppriseNotifier(receiver.apprise_url)
        notice = Notice(key="k", kind=NoticeKind.NEEDS_PERSON, title="web needs you", body="It is down.")
        (channel,) = notifier.channels()
        delivery = await notifier.send(channel, notice)
    finally:
        await receiver.stop()
    assert delivery.delivered
    assert heard == receiver.received
    assert "web needs you" in heard[0].title
    assert "It is down." in heard[0].message
