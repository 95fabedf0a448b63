"""The post-mortem of one incident, as Markdown and as JSON."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from policy.redaction import redacted
from web import postmortem
from web.errors import PageError
from web.formats import zone_of
from web.site import site_of
from web.viewmodels import IncidentView

ENTRIES = 5000  # of the history


async def handle(request: Request, incident: str) -> Response:
    """GET /incidents/{incident}.md."""
    view, site = await _view(request, incident), site_of(request)
    text = site.redact(postmortem.as_markdown(view, site.now(), zone_of(site.settings.timezone)))
    # As text/plain a browser shows it; the policy and nosniff keep it from ever being a page.
    headers = {**_headers(view, "md"), "content-type": "text/plain; charset=utf-8"}
    return Response(text, headers=headers)


async def handle_json(request: Request, incident: str) -> Response:
    """GET /incidents/{incident}.json."""
    view = await _view(request, incident)
    return JSONResponse(redacted(postmortem.as_json(view), site_of(request).redact), headers=_headers(view, "json"))


async def _view(request: Request, incident: str) -> IncidentView:
    view = await site_of(request).insights.incident(incident, ENTRIES)
    if view is None:
        raise PageError(404, f"There is no incident {incident}.")
    return view


def _headers(view: IncidentView, kind: str) -> dict[str, str]:
    name = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in view.row.id)
    return {"cache-control": "no-store", "content-disposition": f'inline; filename="tiercel-{name}.{kind}"'}
