"""Tells people through Apprise: one channel per address, one attempt per call, no address in any message."""

import asyncio
import difflib
import logging
import re
from typing import cast
from urllib.parse import unquote, urlsplit

from apprise import Apprise, AppriseAsset, AppriseResult, NotifyFormat, NotifyType
from apprise.manager_plugins import NotificationManager
from apprise.plugins import NotifyBase
from pydantic import SecretStr

from adapters.notify.addresses import Address, addresses
from adapters.notify.message import NTFY, SEVERITY, body_for, ntfy_actions, title_for
from domain.errors import FatalError
from domain.notice import Delivery, Notice

VARIABLE = "TIERCEL_APPRISE_URLS"
DEFAULT_TIMEOUT_S = 20.0
_GRACE_S = 5.0  # Apprise stops waiting by itself; this is for the case that it does not
_SECRET = re.compile(r"[^/?&=@:;,\s]{4,}")


class AppriseNotifier:
    """Implements domain.ports.Notifier.

    An address that Apprise cannot use stays a channel whose deliveries fail with the reason: somebody who believes
    to be told must not be left in that belief.
    """

    def __init__(self, urls: str | SecretStr | None, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        # Both log addresses on level DEBUG; what matters of Apprise's log comes back in each result.
        log = logging.getLogger("apprise")
        log.propagate = False
        log.addHandler(logging.NullHandler())  # without any handler, Python prints warnings to standard error
        logging.getLogger("urllib3").setLevel(logging.WARNING)
        text = urls.get_secret_value() if isinstance(urls, SecretStr) else urls or ""
        self._addresses = {address.channel: address for address in addresses(text)}
        self._timeout_s = timeout_s
        self._asset = AppriseAsset(
            app_id="Tiercel",
            app_desc="Tiercel",
            app_url="",
            image_url_mask="",  # the default tells every receiver to load an icon from a third party
            image_url_logo="",
            pgp_autogen=False,
            pem_autogen=False,
            result_log_disk_size=0,
        )
        self._locks = {channel: asyncio.Lock() for channel in self._addresses}  # plugins are not made for two threads
        self._services = {address.channel: self._service(address) for address in self._addresses.values()}

    def channels(self) -> tuple[str, ...]:
        """Our own ids of the channels, for example `ch1-ntfy`."""
        return tuple(self._addresses)

    def check(self) -> tuple[str, ...]:
        """One line with the fix for every address that cannot be used."""
        return tuple(
            self._complaint(address) for address in self._addresses.values() if self._services[address.channel] is None
        )

    async def send(self, channel: str, notice: Notice) -> Delivery:
        """One attempt. Raises FatalError for a channel that does not exist (any more)."""
        address = self._addresses.get(channel)
        if address is None:
            raise FatalError(f"there is no channel {channel}; {VARIABLE} has changed")
        service = self._services[channel]
        if service is None:
            return Delivery(channel=channel, delivered=False, message=self._complaint(address))
        try:
            async with self._locks[channel]:
                dressed = self._with_buttons(address, service, notice)
                sending = asyncio.to_thread(self._send, dressed, notice)
                result = await asyncio.wait_for(sending, self._timeout_s + _GRACE_S)
        except TimeoutError:
            message = f"no answer within {self._timeout_s:g} s"
            return Delivery(channel=channel, delivered=False, message=message)
        except Exception as e:  # noqa: BLE001 - a plugin's own fault must not hide that nobody was told
            message = f"the {address.scheme} plugin failed: {type(e).__name__}"
            return Delivery(channel=channel, delivered=False, message=message)
        return Delivery(channel=channel, delivered=bool(result), message=self._told(result, address))

    def _send(self, service: NotifyBase, notice: Notice) -> AppriseResult:
        sender = Apprise(asset=self._asset)
        sender.add(service)
        title = title_for(notice, service.title_maxlen)
        # Where a channel has no title, Apprise puts it before the body with a line break.
        taken = len(title) + 4 if service.title_maxlen <= 0 else 0
        return sender.notify(
            body=body_for(notice, service.body_maxlen - taken),
            title=title,
            notify_type=NotifyType(SEVERITY.get(notice.kind, "info")),
            body_format=NotifyFormat.TEXT,
            timeout=self._timeout_s,
            log_level=logging.WARNING,
        )

    def _with_buttons(self, address: Address, service: NotifyBase, notice: Notice) -> NotifyBase:
        """Ntfy shows buttons; each message gets a plugin of its own, so that no address ever holds a token."""
        if not notice.buttons or address.scheme not in NTFY:
            return service
        parts = cast("dict[str, object]", type(service).parse_url(address.url))
        extra = {"schema": address.scheme, "click": notice.link, "actions": ntfy_actions(notice.buttons)}
        return self._instance({**parts, **extra}) or service

    def _service(self, address: Address) -> NotifyBase | None:
        return self._instance(address.url) if address.scheme else None

    def _instance(self, address: str | dict[str, object]) -> NotifyBase | None:
        service = Apprise.instantiate(address, asset=self._asset)
        if service is None:
            return None
        service.retry = 0  # the workflow repeats; repetitions inside would multiply
        service.optional = False  # "optional" calls a failure a success
        return service

    def _told(self, result: AppriseResult, address: Address) -> str:
        attempts = [attempt for each in result for attempt in each]
        seconds = sum(attempt.elapsed for attempt in attempts)
        if result:
            return f"delivered in {seconds:.1f} s"
        status = result.status.name.lower()
        if status == "timeout":
            return f"no answer within {self._timeout_s:g} s"
        reasons = [entry.message for entry in result.logs()]
        reason = _without(address, reasons[-1]) if reasons else "no reason given"
        return f"{status} after {seconds:.1f} s: {reason}"[:500]

    def _complaint(self, address: Address) -> str:
        place = tuple(self._addresses).index(address.channel) + 1
        where = f"{VARIABLE}, address {place}"
        if not address.scheme:
            return f"{where}: this is no address; begin it with a scheme, for example ntfy://"
        known = _schemes()
        if address.scheme in known:
            return f"{where} ({address.scheme}://): a part is missing or misspelt; compare it with Apprise's page on it"
        near = difflib.get_close_matches(address.scheme, known, n=1)
        hint = f"did you mean {near[0]}://?" if near else "`apprise --details` lists all that it knows"
        return f"{where}: Apprise knows no {address.scheme}://; {hint}"


def _schemes() -> list[str]:
    return sorted(cast("list[str]", NotificationManager().schemas()))


def _without(address: Address, text: str) -> str:
    """`text` without any part of the address behind its scheme; hosts count too, they may be private names."""
    rest = address.url.partition("://")[2]
    parts = {*_SECRET.findall(rest), *_SECRET.findall(unquote(rest)), urlsplit(address.url).hostname or ""}
    for part in sorted(parts - {""}, key=len, reverse=True):
        text = text.replace(part, "***")
    return " ".join(text.split())
