"""The login page."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from web.access import look_who
from web.pages._common import address
from web.security import safe_path
from web.services.logins import Entry
from web.site import site_of, who_of


async def handle(request: Request, next: str = "") -> Response:  # noqa: A002 - the name in the address
    """GET /login?next=<where to go afterwards>."""
    await look_who(request)
    if who_of(request) is not None:
        return RedirectResponse(back_to(request, next), status_code=303)
    return await page(request, next)


async def page(request: Request, wanted: str, entry: Entry | None = None, name: str = "") -> Response:
    """The form, with what was wrong."""
    site = site_of(request)
    context = {
        "live": False,
        "section": "",
        "next": back_to(request, wanted),
        "entry": entry,
        "name": name,
        "nobody_yet": await site.people.without_admin(),
    }
    status = 200 if entry is None else 429 if entry.wait_s else 401
    response = site.renderer.page(request, "login.html", context, status)
    if entry and entry.wait_s:
        response.headers["retry-after"] = str(round(entry.wait_s + 0.5))
    return response


def back_to(request: Request, wanted: str) -> str:
    """Where somebody goes after the login: the page they came for, on this site."""
    return safe_path(wanted, str(request.scope.get("root_path", "")), address(request, "overview_show"))
