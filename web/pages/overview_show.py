"""The front page: what needs a person now, what runs, what is broken, what was done."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from web.pages._common import frame
from web.site import site_of


async def handle(request: Request) -> Response:
    """GET /."""
    site = site_of(request)
    view, next_patrol = await asyncio.gather(site.insights.overview(), site.schedules.next_patrol())
    topics = ("incident", "health", "inventory")
    repos = site.settings.repos_dir
    context = await frame(request, "overview_show", *topics, view=view, next_patrol=next_patrol, repos=repos)
    return site.renderer.page(request, "overview.html", context)
