"""End a key: one's own, or anybody's for who manages people. No password is asked: it can only protect."""

from starlette.requests import Request
from starlette.responses import Response

from domain.people import Permission
from policy import people as policy
from web.pages._common import address
from web.pages._told import told
from web.site import actor_of, site_of, who_of


async def handle(request: Request, key: str) -> Response:
    """POST /keys/{key}/revoke."""
    who = who_of(request)
    assert who is not None  # noqa: S101 - the route names a permission
    owner = who.person if policy.refusal(who, Permission.PEOPLE) else ""
    said = await site_of(request).people.revoke_key(key, actor_of(request), owner)
    return told(request, said, address(request, "keys_list"))
