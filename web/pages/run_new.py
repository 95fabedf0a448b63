"""The Run now form: inside the dialog, or as a page of its own where no script runs."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from web.pages._common import frame
from web.site import site_of


async def handle(request: Request) -> Response:
    """GET /runs/new."""
    site = site_of(request)
    names = await site.insights.service_names()
    if request.headers.get("hx-request") == "true":
        html = site.renderer.fragment(
            request, "_run_form.html", {"services": names, "in_dialog": True, "tiers": site.settings.tiers}
        )
        return HTMLResponse(html, headers={"cache-control": "no-store"})
    context = await frame(request, "", services=names, in_dialog=False, tiers=site.settings.tiers, live=False)
    return site.renderer.page(request, "run.html", context)
