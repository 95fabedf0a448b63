"""One service: how it is, what was done to it, what may be done."""

from starlette.requests import Request
from starlette.responses import Response

from adapters.database.records import DAY, PERIODS
from domain.ids import service_id
from web.errors import PageError
from web.pages._common import frame, service_url
from web.site import site_of


async def handle(request: Request, node: str, name: str, bars: str = "") -> Response:
    """GET /services/{node}/{name}."""
    site = site_of(request)
    period = PERIODS.get(bars, DAY)
    view = await site.insights.service(service_id(node, name), period)
    if view is None:
        raise PageError(
            404,
            f"No repository declares a service {node}/{name}.",
            "The list has all that are known; the next patrol finds new ones.",
        )
    periods = [(p, f"{service_url(request)(view.detail.spec.id)}?bars={p}") for p in PERIODS]
    topics = ("health", "ledger", "action", "incident", "inventory", "memory")
    memories = await site.memories.of(view.detail.spec.id)
    context = await frame(request, "services_list", *topics, view=view, periods=periods, memories=memories)
    return site.renderer.page(request, "service.html", context)
