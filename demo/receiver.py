"""A real receiver of notices: a loopback HTTP server that keeps and prints what Apprise posts to it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import web

from domain.base import Value

MAX_BODY_BYTES = 1 << 20
KEPT = 500


class Received(Value):
    """One notice as it arrived (Apprise's JSON format)."""

    at: datetime
    title: str
    message: str
    kind: str  # info, success, warning or failure


class Receiver:
    """`apprise_url` is what TIERCEL_APPRISE_URLS must be set to."""

    def __init__(self, said: Callable[[Received], None] | None = None) -> None:
        self.received: list[Received] = []
        self.port = 0
        self.said = said
        self._runner: web.AppRunner | None = None

    @property
    def apprise_url(self) -> str:
        """Where Apprise reaches this receiver."""
        return f"json://127.0.0.1:{self.port}/"

    async def start(self, port: int = 0) -> None:
        """Listen on the loopback interface; 0 takes a free port. Raises OSError."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_post("/{any:.*}", self._arrived)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Safe to call twice."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _arrived(self, request: web.Request) -> web.Response:
        try:
            body = await request.json()
            notice = Received(
                at=datetime.now(UTC),
                title=str(body.get("title", "")),
                message=str(body.get("message", "")),
                kind=str(body.get("type", "")),
            )
        except (json.JSONDecodeError, AttributeError):
            return web.Response(status=400, text="not Apprise's JSON")
        self.received = [*self.received, notice][-KEPT:]
        if self.said is not None:
            self.said(notice)
        return web.Response(text="kept")


async def start_receiver(said: Callable[[Received], None] | None = None, port: int = 0) -> Receiver:
    """A receiver that listens. `said` is called for every notice."""
    receiver = Receiver(said)
    await receiver.start(port)
    return receiver
