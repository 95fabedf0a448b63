"""tls: handshake, then judge the certificate's name and remaining validity."""

import asyncio
import ssl
from datetime import UTC, datetime
from typing import Any

from adapters.probes.addresses import BlockedAddressError, UnresolvedError
from adapters.probes.outcome import Outcome, error, fail, ok, one_line, warn
from adapters.probes.tools import Tools
from domain.health import TlsProbe

_EXPIRED = 10
_NAME_MISMATCH = 62


async def run(spec: TlsProbe, tools: Tools) -> Outcome:
    """FAIL on a wrong name, an untrusted issuer (unless `verify` is off) or too little time left."""
    name = spec.server_name or spec.host
    where = f"{spec.host}:{spec.port} as {name}"
    try:
        address = (await tools.addresses.resolve(spec.host))[0]
        trust = None if spec.verify else await _peer_certificate(address, spec.port, name)
        found = await _handshake(address, spec.port, name, trust)
    except BlockedAddressError as e:
        return error(f"{one_line(str(e))}; remove this probe")
    except UnresolvedError as e:
        return fail(one_line(str(e)))
    except ssl.SSLCertVerificationError as e:
        return fail(_words(e), f"{where}\n{e.verify_message}")
    except ssl.SSLError as e:
        return fail(f"the TLS handshake fails: {one_line(e.reason or str(e))}", where)
    except OSError as e:
        return fail(f"no connection to {spec.host}:{spec.port}: {e.strerror or one_line(str(e))}", where)
    return _judge(spec, found, tools.clock.now(), where)


async def _handshake(address: str, port: int, name: str, trust: bytes | None) -> dict[str, Any]:
    context = ssl.create_default_context()
    if trust is not None:
        # The server's own certificate is made the only trusted one: the chain is not judged, name and dates still are.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=trust)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    _, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=name)
    try:
        certificate: dict[str, Any] = writer.get_extra_info("peercert") or {}
        return certificate
    finally:
        writer.close()


async def _peer_certificate(address: str, port: int, name: str) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=name)
    try:
        return writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.close()


def _words(e: ssl.SSLCertVerificationError) -> str:
    if e.verify_code == _EXPIRED:
        return "the certificate has expired"
    if e.verify_code == _NAME_MISMATCH or "ostname" in e.verify_message or "IP address" in e.verify_message:
        return f"the certificate is for another name: {one_line(e.verify_message, 140)}"
    return f"the certificate is not accepted: {one_line(e.verify_message, 140)}"


def _judge(spec: TlsProbe, certificate: dict[str, Any], now: datetime, where: str) -> Outcome:
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    days = (ends - now).total_seconds() / 86_400
    names = ", ".join(value for _, value in certificate.get("subjectAltName", ()))[:400]
    evidence = f"{where}\nvalid until {ends.isoformat()}\nnames: {names}"
    serial = str(certificate.get("serialNumber", ""))
    if days < 0:
        return fail("the certificate has expired", evidence, serial)
    if days < spec.fail_days:
        return fail(f"the certificate ends in {days:.1f} days", evidence, serial)
    if days < spec.warn_days:
        return warn(f"the certificate ends in {days:.0f} days", evidence, serial)
    return ok(f"the certificate is valid for {days:.0f} more days", evidence, serial)
