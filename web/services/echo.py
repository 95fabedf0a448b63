"""Finds out whether what we stream reaches people at once, or is held back by a proxy until the stream ends.

The stream goes out under a name that cannot be guessed, and says its second word only after somebody heard the first
one. So a proxy that collects cannot look like one that passes on, however slow either is.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import aiohttp

from domain.examination import Finding

_HEARD_S = 6.0
_TIMEOUT = aiohttp.ClientTimeout(total=15, sock_connect=5)
_PROXY = "let the proxy pass on what it gets: see docs/proxy.md"


@dataclass
class _Call:
    first: str = field(default_factory=lambda: secrets.token_hex(8))
    second: str = field(default_factory=lambda: secrets.token_hex(8))
    heard: asyncio.Event = field(default_factory=asyncio.Event)


class Echo:
    """The calls that are under way. A name is good for one test."""

    def __init__(self) -> None:
        self._calls: dict[str, _Call] = {}

    def stream(self, name: str) -> AsyncGenerator[bytes] | None:
        """What the address of that name answers; None where nobody is waiting for it."""
        call = self._calls.pop(name, None)
        return _words(call) if call else None

    async def examine(self, public_url: str) -> tuple[Finding, ...]:
        """Call ourselves under the address that people use."""
        if not public_url:
            fix = "set TIERCEL_PUBLIC_URL to the address that people type, and restart Tiercel"
            cause = "not set: links in messages lead to this machine only"
            return (Finding(name="address", level="warn", cause=cause, fix=fix),)
        name, call = secrets.token_urlsafe(18), _Call()
        self._calls[name] = call
        try:
            return await self._called(f"{public_url.rstrip('/')}/echo/{name}", call)
        finally:
            self._calls.pop(name, None)

    async def _called(self, address: str, call: _Call) -> tuple[Finding, ...]:
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as http,
                http.get(address, allow_redirects=False) as answer,
            ):
                if answer.status != 200:
                    return (_not_us(answer.status),)
                return await _heard(answer, call)
        except aiohttp.ClientConnectorCertificateError as e:
            cause = f"its certificate is not trusted by this machine ({type(e.certificate_error).__name__})"
            return (
                _unreached(cause, "give the proxy a certificate that this machine trusts, or add its authority here"),
            )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as e:
            fix = "look at the name, the port and the proxy; phones on your network need the same way"
            return (_unreached(f"cannot be reached from this machine ({type(e).__name__})", fix),)


async def _words(call: _Call) -> AsyncGenerator[bytes]:
    yield _event(call.first)
    try:
        await asyncio.wait_for(call.heard.wait(), _HEARD_S)
    except TimeoutError:
        return
    yield _event(call.second)


def _event(word: str) -> bytes:
    return f"data: {json.dumps(word)}\n\n".encode()


async def _heard(answer: aiohttp.ClientResponse, call: _Call) -> tuple[Finding, ...]:
    text = ""
    ours = Finding(name="address", level="ok", cause="leads to this dashboard")
    async for piece in answer.content.iter_any():
        text += piece.decode(errors="replace")
        if call.second in text:
            return ours, Finding(name="live updates", level="ok", cause="arrive at once")
        if call.first in text and len(text) < 200:
            call.heard.set()
        if len(text) > 4096:
            break
    if call.first not in text:
        return (_not_us(answer.status),)
    held = "a proxy holds live updates back, so pages ask again and again instead"
    return ours, Finding(name="live updates", level="warn", cause=held, fix=_PROXY)


def _not_us(status: int) -> Finding:
    fix = "correct TIERCEL_PUBLIC_URL, or let the proxy pass this path on (also its prefix)"
    return Finding(name="address", level="fail", cause=f"something else answers there ({status})", fix=fix)


def _unreached(cause: str, fix: str) -> Finding:
    return Finding(name="address", level="fail", cause=cause, fix=fix)
