"""Keys for programs: one's own, and everybody's for who manages people; the same as JSON and as CSV."""

from starlette.requests import Request
from starlette.responses import Response

from adapters.database.records import ApiKeyRow
from domain.people import Permission, Who
from policy import people as policy
from web.pages._common import cells_of, csv_rows, frame, short_json
from web.site import site_of, who_of

# Without the hash: nobody needs it, and who has it can try keys against it.
COLUMNS = (
    "id", "name", "owner", "role", "scopes", "limits", "created_at", "expires_at", "revoked_at", "disabled_at",
    "last_used_at", "last_address", "uses",
)  # fmt: skip


async def handle(request: Request) -> Response:
    """GET /keys."""
    scopes = [str(s) for s in policy.scopes_within(_who(request).role)]
    context = await frame(request, "keys_list", rows=await _keys(request), scopes=scopes)
    return site_of(request).renderer.page(request, "keys.html", context)


async def handle_json(request: Request) -> Response:
    """GET /keys.json."""
    return short_json(COLUMNS, await _keys(request))


async def handle_csv(request: Request) -> Response:
    """GET /keys.csv."""
    return csv_rows("tiercel-keys.csv", COLUMNS, cells_of(COLUMNS, await _keys(request)))


def _who(request: Request) -> Who:
    who = who_of(request)
    assert who is not None  # noqa: S101 - the route names a permission
    return who


async def _keys(request: Request) -> tuple[ApiKeyRow, ...]:
    who = _who(request)
    everybody = not policy.refusal(who, Permission.PEOPLE)
    return await site_of(request).people.keys("" if everybody else who.person)
