"""Pictures of every page, over a made-up installation and a real engine: `./dev screenshots [--to FOLDER] [--readme]`.

They are taken to be looked at. `--readme` takes only the one that README.md shows.
"""

import argparse
import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from playwright.async_api import Browser, Page

from adapters.database.migrate import migrate
from adapters.database.pool import Pool
from tests.support import seed
from tests.support.browser import PHONE, Dashboard, browser, dashboard, settings_for
from tests.support.postgres import TEMPLATE, TestServer
from tests.support.temporal import dev_server

ROOT = Path(__file__).resolve().parents[2]
README_PICTURE = ROOT / "docs" / "pictures" / "incident.png"
README_LIMIT = 250_000  # bytes; a clone carries every version of it for ever
README_HEIGHT = 1560

PAGES = {
    "overview": "/",
    "incidents": "/incidents",
    "incident-running": "/incidents/inc_5a77d0e9-blog-0004",
    "incident-repaired": "/incidents/inc_7f3a01c2-blog-0001",
    "incident-handed-over": "/incidents/inc_90be77aa-paperless",
    "incident-waiting": "/incidents/inc_c4d2210b-postgres",
    "approvals": "/approvals",
    "runs": "/runs",
    "events": "/events",
    "schedules": "/schedules",
    "services": "/services",
    "services-90-days": "/services?bars=90d",
    "service": "/services/local/blog",
    "cooldowns": "/cooldowns",
    "audit": "/audit",
    "costs": "/costs",
    "settings": "/settings",
    "users": "/users",
    "keys": "/keys",
    "run": "/runs/new",
    "about": "/about",
    "nothing": "/nothing",
}


@asynccontextmanager
async def house(server: TestServer, home: Path, engine: str, *, quiet: bool) -> AsyncIterator[Dashboard]:
    """A dashboard over one of the two made-up days."""
    url = server.create(TEMPLATE)
    async with Pool(url) as pool:
        await (seed.quiet if quiet else seed.busy)(pool, datetime.now(UTC))
        async with dashboard(pool, settings_for(url, home, temporal_address=engine)) as opened:
            yield opened
    server.drop(url)


async def settled(page: Page, url: str, *, whole: bool = True) -> None:
    """Open a page and wait until nothing on it moves any more."""
    await page.emulate_media(reduced_motion="reduce")
    await page.goto(url)
    await page.locator("#live-dot[data-state=live]").wait_for(state="attached")
    await page.evaluate("document.fonts.ready")
    size = page.viewport_size
    height = int(await page.evaluate("document.documentElement.scrollHeight"))
    if size and whole:  # not `full_page`: what is fixed to the bottom of the screen would lie across the middle
        await page.set_viewport_size({"width": size["width"], "height": max(height, size["height"])})
    await page.evaluate("scrollTo(0, 0)")


async def every_page(chrome: Browser, busy: Dashboard, calm: Dashboard, folder: Path) -> None:
    """All pages, on a desk and on a phone, light and dark."""
    places = {name: busy.url + path for name, path in PAGES.items()} | {"overview-quiet": calm.url + "/"}
    for phone in (False, True):
        for dark in (False, True):
            page = await busy.page(chrome, phone=phone, dark=dark)
            usual = page.viewport_size or PHONE
            for name, url in places.items():
                await page.set_viewport_size(usual)
                await settled(page, url)
                file = folder / f"{name}-{375 if phone else 1280}-{'dark' if dark else 'light'}.png"
                await page.screenshot(path=file, animations="disabled")
            await page.context.close()


async def readme_picture(chrome: Browser, calm: Dashboard) -> None:
    """A repaired incident from its head to what was done: 1280 px wide, light, one pixel per pixel."""
    page = await calm.page(chrome)
    await settled(page, f"{calm.url}/incidents/inc_7f3a01c2-blog-0001", whole=False)
    await page.get_by_text("before and after").first.click()
    await page.evaluate("scrollTo(0, 0)")
    actions = await page.locator("#h-actions").locator("..").bounding_box()
    height = min(actions["y"] + actions["height"] + 24, README_HEIGHT) if actions else README_HEIGHT
    await page.set_viewport_size({"width": 1280, "height": round(height)})
    README_PICTURE.parent.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=README_PICTURE, animations="disabled")
    await page.context.close()
    size = README_PICTURE.stat().st_size
    if size > README_LIMIT:
        raise SystemExit(f"{README_PICTURE} has {size} bytes, more than {README_LIMIT}; show less of the page")


async def take(server: TestServer, folder: Path, *, readme: bool) -> None:
    """Everything, or the one for the README."""
    home = Path(tempfile.gettempdir()) / "tiercel-pictures-home"  # never written to: nothing acts
    async with (
        dev_server() as (_, engine),
        house(server, home, engine, quiet=True) as calm,
        browser() as chrome,
    ):
        if readme:
            await readme_picture(chrome, calm)
            return
        async with house(server, home, engine, quiet=False) as busy:
            await every_page(chrome, busy, calm, folder)


def fill(url: str) -> None:
    """Bring a database to the newest schema."""
    asyncio.run(migrate(url))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="./dev screenshots", description=__doc__)
    parser.add_argument("--to", type=Path, help="folder for the pictures (default: a new temporary one)")
    parser.add_argument("--readme", action="store_true", help="take only docs/pictures/incident.png")
    asked = parser.parse_args()
    folder: Path = asked.to or Path(tempfile.mkdtemp(prefix="tiercel-pictures-"))
    folder.mkdir(parents=True, exist_ok=True)
    server = TestServer()
    try:
        server.start()
        server.make_template(fill)
        asyncio.run(take(server, folder, readme=asked.readme))
    finally:
        server.stop()
    print(README_PICTURE if asked.readme else folder)


if __name__ == "__main__":
    main()
