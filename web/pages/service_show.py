"""One service: how it is, what was done to it, what may be done."""

from starlette.requests import Request
from starlette.responses import Response

from domain.ids import service_id
from web.errors import PageError
from web.pages._common import frame
from web.site import site_of


async def handle(request: Request, node: str, name: str) -> Response:
    """GET /services/{node}/{name}."""
    site = site_of(request)
    view = await site.insights.service(service_id(node, name))
    if view is None:
        raise PageError(
            404,
            f"No repository declares a service {node}/{name}.",
            "The list has all that are known; the next patrol finds new ones.",
        )
    context = await frame(request, "services_list", "health", "ledger", "action", "incident", "inventory", view=view)
    return site.renderer.page(request, "service.html", context)
