"""Pictures of every page, over a made-up installation and a real engine: `./dev screenshots [--to FOLDER] [--readme]`.

They are taken to be looked at. `--readme` takes only those that README.md shows.
"""

import argparse
import asyncio
import base64
import tempfile
from pathlib import Path

from playwright.async_api import Browser, Page

from adapters.database.migrate import migrate
from tests.support.browser import DESK, PHONE, browser
from tests.support.postgres import TestServer
from tests.support.whole_house import REPAIRED, WholeHouse, whole_house

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "pictures"
README_LIMIT = 120_000  # bytes; a clone carries every version of it for ever
README_HEIGHT = 1560

PAGES = {
    "overview": "/",
    "incidents": "/incidents",
    "incident-running": "/incidents/inc_5a77d0e9-blog-0004",
    "incident-repaired": f"/incidents/{REPAIRED}",
    "incident-handed-over": "/incidents/inc_90be77aa-paperless",
    "incident-waiting": "/incidents/inc_c4d2210b-postgres",
    "workflow": f"/incidents/{REPAIRED}/workflow",
    "approvals": "/approvals",
    "runs": "/runs",
    "events": "/events",
    "memories": "/memories",
    "memory": "/memories/mem_seed_0",
    "schedules": "/schedules",
    "backfill": "/schedules/patrol/backfill",
    "services": "/services",
    "services-90-days": "/services?bars=90d",
    "service": "/services/local/blog",
    "cooldowns": "/cooldowns",
    "audit": "/audit",
    "costs": "/costs",
    "budgets": "/budgets",
    "settings": "/settings",
    "users": "/users",
    "keys": "/keys",
    "account": "/account",
    "run": "/runs/new",
    "about": "/about",
    "nothing": "/nothing",
}
FOLDED = {
    "change": ("/approvals/apr_postgres_restart/preview?instead=restart+local/blog", ""),
    "users-places": ("/users", "#main article summary"),
    "audit-filter": ("/audit#find", ""),
}


async def settled(page: Page, url: str, *, whole: bool = True) -> None:
    """Open a page and wait until nothing on it moves any more."""
    await page.emulate_media(reduced_motion="reduce")
    if url:
        await page.goto(url)
    if await page.locator("#live-dot").count():
        await page.locator("#live-dot[data-state=live]").wait_for(state="attached")
    await page.evaluate("document.fonts.ready")
    size = page.viewport_size
    height = int(await page.evaluate("document.documentElement.scrollHeight"))
    if size and whole:  # not `full_page`: what is fixed to the bottom of the screen would lie across the middle
        await page.set_viewport_size({"width": size["width"], "height": max(height, size["height"])})
    await page.evaluate("scrollTo(0, 0)")


async def every_page(chrome: Browser, busy: WholeHouse, calm: WholeHouse, folder: Path) -> None:
    """All pages, on a desk and on a phone, light and dark."""
    for phone in (False, True):
        for dark in (False, True):
            await _of_one_kind(chrome, busy, calm, folder, phone=phone, dark=dark)


async def _of_one_kind(
    chrome: Browser, busy: WholeHouse, calm: WholeHouse, folder: Path, *, phone: bool, dark: bool
) -> None:
    page = await busy.browser_page(chrome, phone=phone, dark=dark)
    quiet = await calm.browser_page(chrome, phone=phone, dark=dark)
    stranger = await busy.site.page(chrome, phone=phone, dark=dark)

    async def take(name: str, page: Page, url: str, unfold: str = "") -> None:
        await page.set_viewport_size(PHONE if phone else DESK)
        await settled(page, url)
        if unfold:
            await page.locator(unfold).first.click()
            await settled(page, "")
        file = folder / f"{name}-{375 if phone else 1280}-{'dark' if dark else 'light'}.png"
        await page.screenshot(path=file, animations="disabled")

    for name, path in PAGES.items():
        await take(name, page, busy.base + path)
    for name, (path, unfold) in FOLDED.items():
        await take(name, page, busy.base + path, unfold)
    await take("overview-quiet", quiet, calm.base + "/")
    outside = {"login": "/login", "setup": f"/setup?code={busy.invitation}", "link": f"/a/{busy.link}"}
    for name, path in {**outside, "link-unknown": "/a/tal_nothing"}.items():
        await take(name, stranger, busy.base + path)
    for one in (page, quiet, stranger):
        await one.context.close()


async def readme_pictures(chrome: Browser, busy: WholeHouse, calm: WholeHouse) -> None:
    """What README.md shows: 1280 px wide or a phone, one pixel per pixel."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for dark in (False, True):
        tone = "dark" if dark else "light"
        desk = await calm.browser_page(chrome, dark=dark)
        await _shown(desk, f"{calm.base}/incidents/{REPAIRED}", PICTURES / f"incident-{tone}.webp", "#h-actions")
        await desk.context.close()
        desk = await busy.browser_page(chrome, dark=dark)
        await _shown(desk, f"{busy.base}/", PICTURES / f"overview-{tone}.webp", "")
        await _shown(desk, f"{busy.base}/services", PICTURES / f"services-{tone}.webp", "")
        await desk.context.close()
    phone = await busy.site.page(chrome, phone=True)
    await _shown(phone, f"{busy.base}/a/{busy.link}", PICTURES / "link-phone.webp", "")
    await phone.context.close()


async def _shown(page: Page, url: str, file: Path, last: str) -> None:
    """From the head of a page to the section of `last` (or its end)."""
    await settled(page, url, whole=False)
    if last:
        await page.get_by_text("before and after").first.click()
        await page.evaluate("scrollTo(0, 0)")
    end = page.locator(last).locator("..") if last else page.locator("main")
    box, size = await end.bounding_box(), page.viewport_size or PHONE
    height = round(box["y"] + box["height"] + (24 if last else -24)) if box else size["height"]
    await page.set_viewport_size({"width": size["width"], "height": min(height, README_HEIGHT)})
    browser = await page.context.new_cdp_session(page)  # WebP is a third of a PNG; Playwright itself cannot
    taken = await browser.send("Page.captureScreenshot", {"format": "webp", "quality": 80})
    file.write_bytes(base64.b64decode(taken["data"]))
    await page.set_viewport_size(size)
    if file.stat().st_size > README_LIMIT:
        raise SystemExit(f"{file} has {file.stat().st_size} bytes, more than {README_LIMIT}; show less of the page")


async def take(server: TestServer, folder: Path, *, readme: bool) -> None:
    """Everything, or what README.md shows."""
    home = Path(tempfile.gettempdir()) / "tiercel-pictures-home"  # never written to: nothing acts
    async with (
        whole_house(server, home, quiet=True) as calm,
        whole_house(server, home) as busy,
        browser() as chrome,
    ):
        if readme:
            await readme_pictures(chrome, busy, calm)
        else:
            await every_page(chrome, busy, calm, folder)


def fill(url: str) -> None:
    """Bring a database to the newest schema."""
    asyncio.run(migrate(url))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="./dev screenshots", description=__doc__)
    parser.add_argument("--to", type=Path, help="folder for the pictures (default: a new temporary one)")
    parser.add_argument("--readme", action="store_true", help="take only what README.md shows, into docs/pictures")
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
    print(PICTURES if asked.readme else folder)


if __name__ == "__main__":
    main()
