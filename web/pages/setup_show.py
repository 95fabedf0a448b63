"""Come in with a one-time code: the first admin, an invitation, a new password. Looking uses no code up."""

from starlette.requests import Request
from starlette.responses import Response

from web.services.logins import Entry
from web.site import site_of


async def handle(request: Request, code: str = "") -> Response:
    """GET /setup?code=<the code of a link>."""
    return await page(request, code)


async def page(request: Request, code: str, entry: Entry | None = None, name: str = "") -> Response:
    """The form; what it asks for depends on the code."""
    site = site_of(request)
    found = await site.people.code(code[:100])
    context = {"live": False, "section": "", "code": code, "found": found, "entry": entry, "name": name}
    status = 200 if entry is None else 429 if entry.wait_s else 422
    return site.renderer.page(request, "setup.html", context, status)
