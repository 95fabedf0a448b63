"""A real Chromium for tests, and a real dashboard for it to look at."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from playwright.async_api import Browser, Page, ViewportSize, async_playwright
from pydantic import SecretStr

from adapters.database.pool import Pool
from config.settings import Settings
from web.app import create_app
from web.main import ClosingServer, assemble
from web.site import Site

PHONE = ViewportSize(width=375, height=740)
DESK = ViewportSize(width=1280, height=860)


def chromium() -> str:
    """The browser's path; skips the test with a reason where there is none."""
    found = (
        os.environ.get("CHROMIUM")
        or shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    if not found:
        pytest.skip("no Chromium: install the package 'chromium' or set CHROMIUM to its path")
    return found


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """One Chromium, headless."""
    path = chromium()
    async with async_playwright() as play:
        opened = await play.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"]
        )
        try:
            yield opened
        finally:
            await opened.close()


@dataclass
class Dashboard:
    """A running dashboard."""

    url: str
    site: Site
    pool: Pool
    console: list[str]

    async def page(self, browser: Browser, *, phone: bool = False, dark: bool = False) -> Page:
        """A page in a context of its own. What the console says is kept: a policy violation shows there."""
        context = await browser.new_context(
            viewport=PHONE if phone else DESK, color_scheme="dark" if dark else "light", has_touch=phone
        )
        page = await context.new_page()
        page.set_default_timeout(8000)
        page.on("console", lambda m: self.console.append(m.text) if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda e: self.console.append(str(e)))
        return page


def settings_for(database_url: str, home: Path, **changes: object) -> Settings:
    """Settings of a dashboard under test."""
    return Settings(
        home=home, database_url=SecretStr(database_url), dry_run=False, interval_s=900, web_login=False
    ).model_copy(update=changes)


@asynccontextmanager
async def dashboard(pool: Pool, settings: Settings, port: int = 0) -> AsyncIterator[Dashboard]:
    """The real application on a real server, port chosen by the system, with its listening connection."""
    site, listener = assemble(settings, pool)
    server = ClosingServer(
        uvicorn.Config(
            create_app(site),
            host="127.0.0.1",
            port=port,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_graceful_shutdown=2,
        ),
        site.hub,
    )
    server.install_signal_handlers = lambda: None  # type: ignore[method-assign]
    async with AsyncExitStack() as stack:
        listening = asyncio.create_task(listener.run())
        stack.callback(listening.cancel)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            if serving.done():
                serving.result()
            await asyncio.sleep(0.02)
        await asyncio.wait_for(listener.connected.wait(), 10)
        address = server.servers[0].sockets[0].getsockname()
        try:
            yield Dashboard(f"http://127.0.0.1:{address[1]}", site, pool, [])
        finally:
            server.should_exit = True
            await serving
