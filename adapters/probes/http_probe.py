"""http: GET one URL, and make sure that the right program answered."""

import asyncio
import ssl
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from adapters.probes.addresses import BlockedAddressError, UnresolvedError
from adapters.probes.outcome import Outcome, error, fail, ok, one_line, warn
from adapters.probes.tools import Tools, refuse_literal
from domain.health import HttpProbe

BODY_BYTES = 65_536
_SHOWN_HEADERS = ("server", "content-type", "location", "retry-after")


async def run(spec: HttpProbe, tools: Tools) -> Outcome:
    """FAIL where the server does not answer as declared, is hung, or is another one than declared."""
    try:
        host = urlsplit(spec.url).hostname or ""
        url = URL(spec.url)
    except ValueError as e:
        return error(f"the address cannot be used ({one_line(str(e))}); correct url")
    refused = refuse_literal(host)
    if refused:
        return refused
    started = tools.monotonic()
    trace = _Progress()
    try:
        # Redirects are not followed: the declared address is what is checked, and a redirect could lead anywhere.
        async with tools.http().request(
            spec.method,
            url,
            allow_redirects=False,
            ssl=bool(spec.verify_tls),
            timeout=aiohttp.ClientTimeout(total=spec.timeout_s),
            headers={"User-Agent": "tiercel-probe", "Accept": "*/*", "Accept-Encoding": "identity"},
            trace_request_ctx=trace,
        ) as response:
            body = await _read(response, BODY_BYTES)
            return _judge(spec, response, body, (tools.monotonic() - started) * 1000)
    except (aiohttp.ClientError, OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as e:
        return _explain(spec, e, trace)


class _Progress:
    """Filled by the session's trace hooks: whether a connection was made before something went wrong."""

    connected = False


def tracing() -> aiohttp.TraceConfig:
    """Marks the request's `_Progress` when its connection stands."""

    async def connected(_s: object, context: object, _p: object) -> None:
        progress = getattr(context, "trace_request_ctx", None)
        if isinstance(progress, _Progress):
            progress.connected = True

    config = aiohttp.TraceConfig()
    config.on_connection_create_end.append(connected)
    return config


async def _read(response: aiohttp.ClientResponse, limit: int) -> str:
    data = bytearray()
    while len(data) < limit:
        chunk = await response.content.read(limit - len(data))
        if not chunk:
            break
        data += chunk
    return data.decode("utf-8", "replace")


def _judge(spec: HttpProbe, response: aiohttp.ClientResponse, body: str, latency_ms: float) -> Outcome:
    headers = "\n".join(f"{n}: {response.headers[n]}" for n in _SHOWN_HEADERS if n in response.headers)
    evidence = f"{spec.method} {spec.url}\nHTTP {response.status} in {latency_ms:.0f} ms\n{headers}\n{body[:1200]}"
    if spec.identity:
        place = body if spec.identity_in == "body" else response.headers.get(spec.identity_in, "")
        if spec.identity not in place:
            where = "body" if spec.identity_in == "body" else f"header {spec.identity_in}"
            return fail(
                f"somebody else answers: '{spec.identity}' is not in the {where} (HTTP {response.status})", evidence
            )
    if response.status not in spec.expect_status:
        return fail(f"HTTP {response.status}", evidence, spec.identity)
    if spec.contains and spec.contains not in body:
        return fail(f"HTTP {response.status}, but the body does not contain '{spec.contains}'", evidence, spec.identity)
    if spec.max_latency_ms is not None and latency_ms > spec.max_latency_ms:
        return warn(f"HTTP {response.status}, slow: over {spec.max_latency_ms:.0f} ms", evidence, spec.identity)
    return ok(f"HTTP {response.status}", evidence, spec.identity)


def _explain(spec: HttpProbe, e: Exception, trace: _Progress) -> Outcome:
    evidence = f"{spec.method} {spec.url}\n{type(e).__name__}: {e}"
    cause = e.__cause__ if isinstance(e, aiohttp.ClientConnectorDNSError) else e
    if isinstance(cause, BlockedAddressError):
        return error(f"{one_line(str(cause))}; remove this probe")
    if isinstance(cause, UnresolvedError | aiohttp.ClientConnectorDNSError):
        return fail(one_line(str(cause)), evidence)
    if isinstance(e, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return fail(f"the certificate is not accepted: {one_line(str(e), 140)}", evidence)
    if isinstance(e, aiohttp.InvalidURL):
        return error("the address cannot be used; correct url", evidence)
    if isinstance(e, TimeoutError):
        return timed_out(spec, connected=trace.connected)
    if isinstance(e, aiohttp.ClientConnectorError):
        return fail(f"no connection: {one_line(str(e.os_error), 140)}", evidence)
    return fail(f"the answer broke off: {one_line(str(e) or type(e).__name__, 140)}", evidence)


def timed_out(spec: HttpProbe, *, connected: bool) -> Outcome:
    """A server that accepts and stays silent is hung, which a port check would call healthy."""
    if connected:
        return fail(f"hung: the port is open, but no answer within {spec.timeout_s:g} s", f"{spec.method} {spec.url}")
    return fail(f"no connection within {spec.timeout_s:g} s", f"{spec.method} {spec.url}")
