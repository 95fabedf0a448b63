"""What axe finds on the page that a browser shows, and whether it is too wide."""

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}


async def complaints(page: Page, path: str) -> list[str]:
    """One line per violation, and one where the page does not fit."""
    for summary in await page.locator("#live details > summary").all():
        await summary.click()
    await page.evaluate("scrollTo(0, 0)")
    result = await Axe().run(page, options=RULES)
    found = [
        f"{path}: {v['id']} {[f'''{n['target']}: {n.get('failureSummary', '')}''' for n in v['nodes'][:2]]}"
        for v in result.response["violations"]
    ]
    wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [*found, f"{path}: {wide} px wider than the screen"] if wide > 0 else found
