"""Sessions on another machine: whether others come in here, or whether the other gateway lets us in."""

import asyncio
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from config import remote
from config.remote_tls import client_tls, server_tls
from config.settings import Settings, variable_of
from domain.errors import ConfigurationError
from worker import up_endpoints
from worker.doctor_finding import Finding, fail, ok, warn

_NAME = "other machines"
_PATIENCE_S = 10.0
_SOON_DAYS = 14
_EXPIRED = 10  # OpenSSL's number for it


async def entrance(settings: Settings) -> Sequence[Finding]:
    """Whether the address answers, and until when its certificate is valid."""
    where = settings.entrance
    if where is None:
        return []
    try:
        _ = settings.shared_secret()
        tls = server_tls(settings)
    except ConfigurationError as e:
        return [_wrong(str(e))]
    host, port = where
    anywhere = ip_address(host).is_unspecified
    near = ("::1" if ":" in host else "127.0.0.1") if anywhere else host
    shown = f"{settings.gateway_listen}{'' if tls else ', without TLS, on this machine only'}"
    running = await asyncio.to_thread(up_endpoints.read, settings.home)
    try:
        ends = await _ends(near, port, settings.gateway_cert)
    except ssl.SSLCertVerificationError as e:
        if e.verify_code == _EXPIRED:
            return [fail(_NAME, "the certificate has ended: no other machine comes in", _renew())]
        return [fail(_NAME, f"{shown} shows another certificate than the file ({e.verify_message})", _restart())]
    except (OSError, TimeoutError) as e:
        if running is None:
            return [ok(_NAME, f"{shown}; whether it answers shows while Tiercel runs")]
        return [fail(_NAME, f"{shown} does not answer ({type(e).__name__})", _restart())]
    return [_judged(shown, ends)]


async def other_gateway(settings: Settings) -> Sequence[Finding]:
    """Whether the other gateway answers, and knows us."""
    url = settings.gateway_url
    if not url:
        return []
    name = "other gateway"
    try:
        secret, tls = settings.shared_secret(), client_tls(settings)
    except ConfigurationError as e:
        return [_wrong(str(e))]
    try:
        said = await _shown(url, secret, tls)
    except ssl.SSLCertVerificationError as e:
        fix = f"set {variable_of('gateway_ca')} to its file, or correct the name in {variable_of('gateway_url')}"
        return [fail(name, f"the certificate of {url} is not trusted ({e.verify_message})", fix)]
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as e:
        fix = "start it there, let this machine through its firewall, or correct the address"
        return [fail(name, f"{url} does not answer ({type(e).__name__})", fix)]
    match said.split(b" ")[1:2]:
        case [b"200"]:
            return [ok(name, f"{url} knows this machine; it runs up to {settings.max_sessions} sessions for it")]
        case [b"407"]:
            return [
                fail(name, f"{url} does not know this machine", f"give both the same {variable_of('gateway_secret')}")
            ]
        case _:
            return [fail(name, f"{url} is no gateway", "correct the address")]


async def _ends(host: str, port: int, certificate: Path | None) -> datetime | None:
    """When the certificate ends that is shown there; None without TLS. Raises OSError."""
    context = None
    if certificate is not None:
        # Only this very certificate is trusted: neither its issuer nor its name is the question here.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(cafile=certificate)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    async with asyncio.timeout(_PATIENCE_S):
        _, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        found: dict[str, Any] = writer.get_extra_info("peercert") or {}
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(found["notAfter"]), UTC) if found else None
    finally:
        writer.transport.abort()


async def _shown(url: str, secret: str, tls: ssl.SSLContext | None) -> bytes:
    """What is answered when the secret is shown there. Raises OSError."""
    host, port, _ = remote.far_place(url)
    async with asyncio.timeout(_PATIENCE_S):
        reader, writer = await asyncio.open_connection(host, port, ssl=tls, server_hostname=host if tls else None)
        try:
            writer.write(f"CONNECT admin HTTP/1.1\r\nProxy-Authorization: Bearer {secret}\r\n\r\n".encode())
            return await reader.readuntil(b"\r\n")
        except asyncio.LimitOverrunError:
            return b""  # whatever this is, it does not speak as a gateway does
        finally:
            writer.transport.abort()


def _judged(shown: str, ends: datetime | None) -> Finding:
    if ends is None:
        return ok(_NAME, f"come in at {shown}")
    days = (ends - datetime.now(UTC)).days
    if days < _SOON_DAYS:
        return warn(_NAME, f"come in at {shown}, but the certificate ends on {ends:%Y-%m-%d}", _renew())
    return ok(_NAME, f"come in at {shown}; the certificate ends on {ends:%Y-%m-%d}")


def _renew() -> str:
    return f"renew {variable_of('gateway_cert')} and restart; running sessions go on"


def _restart() -> str:
    return "restart Tiercel, and read the lines of `gateway` in its log"


def _wrong(line: str) -> Finding:
    name, _, rest = line.partition(": ")
    cause, _, fix = rest.partition("; ")
    return fail(name, cause, fix)


CHECKS = (entrance, other_gateway)
