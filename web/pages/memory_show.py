"""One memory: what it says, what it is worth, which sessions stated it; and a form to correct it."""

from starlette.requests import Request
from starlette.responses import Response

from web.errors import PageError
from web.pages._common import frame
from web.pages.memories_list import CATEGORIES, MEANINGS
from web.services.memories import GONE
from web.site import site_of


async def handle(request: Request, memory: str) -> Response:
    """GET /memories/{memory}."""
    site = site_of(request)
    view = await site.memories.one(memory)
    if view is None:
        raise PageError(404, GONE, "The list has all that are kept.")
    context = await frame(
        request,
        "memories_list",
        "memory",
        view=view,
        rule=site.memories.rule,
        categories=CATEGORIES,
        meanings=MEANINGS,
        declared=await site.insights.service_names(),
    )
    return site.renderer.page(request, "memory.html", context)
