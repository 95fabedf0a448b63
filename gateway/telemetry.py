"""The session's own telemetry, passed on to the owner's collector."""

import asyncio
import io

import aiohttp
import structlog
from aiohttp import web

from gateway.session import SESSION, Behind, bounded_body
from gateway.telemetry_filter import SIGNALS, filtered

log = structlog.get_logger("gateway.telemetry")

MAX_BODY = 4 << 20
MAX_WAITING = 64
FORWARD_S = 5.0


class Telemetry:
    """Forwards in the background: a collector that does not answer must not slow a session down."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Task[None]] = set()

    async def receive(self, request: web.Request) -> web.Response:
        """POST /otel/v1/{signal}. Always answers at once; without a collector the body is dropped."""
        signal = request.match_info["signal"]
        if signal not in SIGNALS:
            return web.Response(status=404)
        body = await bounded_body(request, MAX_BODY)
        if body is None:
            return web.Response(status=413)
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return web.Response(status=415)  # what is packed cannot be looked through; the CLI packs nothing
        behind = request.config_dict[SESSION].behind
        if behind.otlp_endpoint and len(self._waiting) < MAX_WAITING:
            clean = filtered(signal, request.content_type, body, behind.redact)
            if clean is None:
                return web.Response(status=400)
            headers = {"Content-Type": request.content_type}
            task = asyncio.create_task(_forward(behind, signal, clean, headers))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
        is_json = request.content_type == "application/json"
        return web.Response(body=b"{}" if is_json else b"", content_type=request.content_type)


async def _forward(behind: Behind, signal: str, body: bytes, headers: dict[str, str]) -> None:
    url = f"{behind.otlp_endpoint.rstrip('/')}/v1/{signal}"
    try:
        async with behind.http.post(
            url,
            data=io.BytesIO(body),
            headers={**headers, **dict(behind.otlp_headers)},
            timeout=aiohttp.ClientTimeout(total=FORWARD_S),
            allow_redirects=False,
        ) as answer:
            if answer.status >= 400:
                log.warning("collector refused", signal=signal, status=answer.status)
    except (aiohttp.ClientError, TimeoutError, OSError) as e:
        log.warning("collector not reached", signal=signal, error=type(e).__name__)
