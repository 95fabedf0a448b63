"""Notices arrive at real receivers; failures say why, and nothing says where."""

import asyncio
import io
import itertools
import json
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
from pydantic import SecretStr

from adapters.notify.apprise_notifier import AppriseNotifier
from domain.errors import FatalError
from domain.notice import Button, Notice, NoticeKind
from tests.support.receivers import HttpReceiver, MailReceiver, http_receiver, mail_receiver

TOKEN = "AbCdEf1234567hT"


def a_notice(
    kind: NoticeKind = NoticeKind.NEEDS_PERSON, body: str = "Tier 3 could not repair it. <b>tags</b> & more"
) -> Notice:
    return Notice(key="k", kind=kind, title="app needs a person", body=body, link="http://127.0.0.1:8080/incidents/1")


@pytest.fixture
async def receiver() -> AsyncIterator[HttpReceiver]:
    async with http_receiver() as running:
        yield running


@pytest.fixture
async def mailbox() -> AsyncIterator[MailReceiver]:
    async with mail_receiver() as running:
        yield running


async def test_a_webhook_receives_the_whole_notice(receiver: HttpReceiver) -> None:
    notifier = AppriseNotifier(f"json://127.0.0.1:{receiver.port}/hook")
    delivery = await notifier.send("ch1-json", a_notice())
    assert delivery.delivered
    assert delivery.message.startswith("delivered in")
    (request,) = receiver.requests
    assert request.path == "/hook"
    assert request.json["title"] == "app needs a person"
    assert request.json["message"] == f"{a_notice().body}\n\n{a_notice().link}"
    assert request.json["type"] == "failure"
    assert request.headers["User-Agent"] == "Tiercel"


@pytest.mark.parametrize(
    ("kind", "shown"),
    [(NoticeKind.RECOVERED, "success"), (NoticeKind.APPROVAL, "warning"), (NoticeKind.DIGEST, "info")],
)
async def test_the_kind_decides_the_severity(receiver: HttpReceiver, kind: NoticeKind, shown: str) -> None:
    await AppriseNotifier(f"json://127.0.0.1:{receiver.port}").send("ch1-json", a_notice(kind))
    assert receiver.requests[0].json["type"] == shown


async def test_gotify_and_ntfy_receive_their_own_format_without_a_foreign_icon(receiver: HttpReceiver) -> None:
    host = f"127.0.0.1:{receiver.port}"
    notifier = AppriseNotifier(f"gotify://{host}/{TOKEN}, ntfy://{host}/alerts")
    for channel in notifier.channels():
        assert (await notifier.send(channel, a_notice())).delivered
    gotify, ntfy = receiver.requests
    assert gotify.path == "/message"
    assert gotify.headers["X-Gotify-Key"] == TOKEN
    assert gotify.json["title"] == "app needs a person"
    assert ntfy.json["topic"] == "alerts"
    for request in receiver.requests:
        everything = f"{request.headers} {request.body!r}".lower()
        assert "github" not in everything
        assert "x-icon" not in everything


@pytest.mark.parametrize(
    ("format_", "content_type", "shown"),
    [("text", "text/plain", "<b>tags</b> & more"), ("html", "text/html", "&lt;b&gt;tags&lt;/b&gt; &amp; more")],
)
async def test_a_mail_arrives_with_its_tags_shown_and_not_obeyed(
    mailbox: MailReceiver, format_: str, content_type: str, shown: str
) -> None:
    people = "from=tiercel@example.org&to=ada@example.org,bob@example.org"
    url = f"mailto://127.0.0.1:{mailbox.port}/?{people}&mode=insecure&format={format_}"
    delivery = await AppriseNotifier(url).send("ch1-mailto", a_notice())
    assert delivery.delivered, delivery.message
    assert sorted(itertools.chain.from_iterable(mailbox.recipients)) == ["ada@example.org", "bob@example.org"]
    mail = mailbox.mails[0]
    assert mail["Subject"] == "app needs a person"
    part = next(part for part in mail.walk() if part.get_content_type() == content_type)
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    assert shown in content.decode().replace("&nbsp;", " ")


async def test_one_call_is_one_attempt_whatever_the_address_says(receiver: HttpReceiver) -> None:
    receiver.statuses = [500] * 5
    notifier = AppriseNotifier(f"json://127.0.0.1:{receiver.port}/{TOKEN}?retry=3&wait=0.1&optional=yes")
    delivery = await notifier.send("ch1-json", a_notice())
    assert not delivery.delivered
    assert "500" in delivery.message
    assert len(receiver.requests) == 1


async def test_a_hung_receiver_costs_the_time_limit_and_no_more(receiver: HttpReceiver) -> None:
    receiver.delay_s = 30
    notifier = AppriseNotifier(f"json://127.0.0.1:{receiver.port}", timeout_s=0.5)
    delivery = await asyncio.wait_for(notifier.send("ch1-json", a_notice()), 10)
    assert not delivery.delivered
    assert delivery.message == "no answer within 0.5 s"


async def test_a_receiver_that_is_not_there_is_a_failure_with_a_reason(unused_tcp_port: int) -> None:
    delivery = await AppriseNotifier(f"json://127.0.0.1:{unused_tcp_port}").send("ch1-json", a_notice())
    assert not delivery.delivered
    assert delivery.message.startswith("failure after")


async def test_two_notices_at_once_arrive_both(receiver: HttpReceiver) -> None:
    notifier = AppriseNotifier(f"json://127.0.0.1:{receiver.port}")
    sent = await asyncio.gather(*(notifier.send("ch1-json", a_notice(body=f"n{n}")) for n in range(5)))
    assert all(delivery.delivered for delivery in sent)
    assert len(receiver.requests) == 5


@pytest.fixture
def everything_logged() -> Iterator[io.StringIO]:
    """What the root logger gets at its lowest level, as an owner with TIERCEL_LOG_LEVEL=debug would see it."""
    root, text = logging.getLogger(), io.StringIO()
    handler = logging.StreamHandler(text)
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.setLevel(before)
    root.removeHandler(handler)


@pytest.mark.parametrize("status", [401, 404, 500])
async def test_no_message_and_no_log_holds_a_part_of_the_address(
    receiver: HttpReceiver, status: int, everything_logged: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    receiver.statuses = [status] * 3
    host = f"127.0.0.1:{receiver.port}"
    urls = f"json://ada:hunter22@{host}/secretpath?+X-Key=headersecret\ngotify://{host}/{TOKEN}\nnosuch://{TOKEN}"
    notifier = AppriseNotifier(SecretStr(urls))
    told = [(await notifier.send(channel, a_notice())).message for channel in notifier.channels()]
    out, err = capfd.readouterr()
    everything = " ".join(
        [*told, *notifier.check(), *notifier.channels(), repr(notifier), everything_logged.getvalue(), out, err]
    )
    for secret in ("hunter22", "secretpath", "headersecret", TOKEN):
        assert secret not in everything


def test_the_check_names_each_unusable_address_with_its_fix() -> None:
    notifier = AppriseNotifier("json://localhost\nntyf://topic\nhello\ntgram://\nzzzzzzzz://x")
    assert notifier.channels() == ("ch1-json", "ch2-ntyf", "ch3-unreadable", "ch4-tgram", "ch5-zzzzzzzz")
    typo, words, empty, unknown = notifier.check()
    assert typo == "TIERCEL_APPRISE_URLS, address 2: Apprise knows no ntyf://; did you mean ntfy://?"
    assert words.endswith("begin it with a scheme, for example ntfy://")
    assert "(tgram://): a part is missing" in empty
    assert "`apprise --details`" in unknown


async def test_an_unusable_address_fails_loudly_instead_of_vanishing() -> None:
    delivery = await AppriseNotifier("ntyf://topic").send("ch1-ntyf", a_notice())
    assert not delivery.delivered
    assert "did you mean ntfy://?" in delivery.message


async def test_a_channel_that_is_gone_is_final() -> None:
    with pytest.raises(FatalError, match="there is no channel ch9-json"):
        await AppriseNotifier("json://localhost").send("ch9-json", a_notice())


def test_no_address_is_no_channel_and_no_complaint() -> None:
    assert AppriseNotifier(None).channels() == ()
    assert AppriseNotifier("").check() == ()


async def test_ntfy_gets_buttons_and_no_answer_or_failure_tells_a_token(receiver: HttpReceiver) -> None:
    token = "tal_" + "Ab3_-" * 8 + "xyz"
    page = Button(label="Approve", url=f"https://home.example/ops/a/{token}")
    deny = Button(label="Deny", url="https://home.example/ops/a", token=token)
    asked = a_notice(NoticeKind.APPROVAL).model_copy(update={"link": page.url, "buttons": (page, deny)})
    host = f"127.0.0.1:{receiver.port}"
    notifier = AppriseNotifier(f"ntfy://{host}/alerts?priority=high, json://{host}")
    receiver.statuses = [200, 200, 500]
    for channel in notifier.channels():
        assert (await notifier.send(channel, asked)).delivered
    ntfy, plain = receiver.requests
    assert (ntfy.path, ntfy.json["topic"], ntfy.headers["X-Priority"]) == ("/", "alerts", "high")
    assert ntfy.headers["X-Click"] == page.url
    assert json.loads(ntfy.headers["X-Actions"]) == [
        {"action": "view", "label": "Approve", "url": page.url},
        {
            "action": "http",
            "label": "Deny",
            "url": deny.url,
            "method": "POST",
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
            "body": f"token={token}&decision=deny",
            "clear": True,
        },
    ]
    assert page.url in str(plain.json["message"])  # elsewhere the link is in the text
    assert "X-Actions" not in plain.headers
    failed = await notifier.send("ch1-ntfy", asked)
    assert not failed.delivered
    assert token not in failed.message
    await notifier.send("ch1-ntfy", a_notice())  # the next message has no buttons left over
    assert "X-Actions" not in receiver.requests[-1].headers
