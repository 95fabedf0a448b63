"""The notifier of last resort, through Apprise to a real receiver."""

import pytest
from aiohttp import web

from config.settings import load
from domain.errors import TransientError
from worker.fallback import fallback


async def test_it_reaches_a_receiver_without_engine_and_record_and_says_when_nobody_was_reached() -> None:
    received: list[dict[str, str]] = []
    broken = [True]

    async def take(request: web.Request) -> web.Response:
        if broken:
            return web.Response(status=500)
        received.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    notify = fallback(load({"TIERCEL_APPRISE_URLS": f"json://127.0.0.1:{port}/"}))
    try:
        with pytest.raises(TransientError, match="ch1-json"):
            await notify("Tiercel: Temporal is down", "It has not answered.")
        broken.clear()
        await notify("Tiercel: Temporal is down", "It has not answered.")
    finally:
        await runner.cleanup()
    assert [message["title"] for message in received] == ["Tiercel: Temporal is down"]
