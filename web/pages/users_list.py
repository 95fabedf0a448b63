"""Who may log in; the same as JSON and as CSV."""

from starlette.requests import Request
from starlette.responses import Response

from domain.people import Role
from web.devices import device
from web.pages._common import cells_of, csv_rows, frame, short_json
from web.site import site_of

COLUMNS = ("id", "name", "role", "joined", "has_pin", "created_at", "disabled_at", "last_seen_at", "keys")


async def handle(request: Request) -> Response:
    """GET /users."""
    site = site_of(request)
    rows, sessions = await site.people.list(), await site.people.sessions()
    roles = [str(r) for r in Role]
    context = await frame(request, "users_list", rows=rows, sessions=sessions, roles=roles, device=device)
    return site.renderer.page(request, "users.html", context)


async def handle_json(request: Request) -> Response:
    """GET /users.json."""
    return short_json(COLUMNS, await site_of(request).people.list())


async def handle_csv(request: Request) -> Response:
    """GET /users.csv."""
    return csv_rows("tiercel-users.csv", COLUMNS, cells_of(COLUMNS, await site_of(request).people.list()))
