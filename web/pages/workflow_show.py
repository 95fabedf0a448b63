"""What the engine noted down about an incident: its workflow's history; the same as JSON."""

from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from fastapi.encoders import jsonable_encoder
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from adapters.database.records import IncidentDetail
from web.errors import PageError
from web.pages._common import frame
from web.services.histories import HistoryView
from web.site import Site, site_of


async def handle(request: Request, incident: str) -> Response:
    """GET /incidents/{incident}/workflow?failed=yes&after=TOKEN. htmx gets the block `workflow` alone."""
    site = site_of(request)
    row = await _row(site, incident)
    view, failed = await _read(request, row)
    context = await frame(
        request,
        "incidents_list",
        live=False,
        row=row,
        view=view,
        failed=failed,
        after=request.query_params.get("after", ""),
        query_of=partial(_query, failed=failed),
        ui_link=ui_link(site, row),
        trace_link=trace_link(site, view.state.trace if view.state else ""),
    )
    return site.renderer.page(request, "workflow.html", context, 503 if view.away else 200)


async def handle_json(request: Request, incident: str) -> Response:
    """GET /incidents/{incident}/workflow.json: one page, and the query of the next one."""
    row = await _row(site_of(request), incident)
    view, failed = await _read(request, row)
    if view.away:
        raise PageError(503, "Temporal does not answer, so its history cannot be read.", view.away)
    body: dict[str, Any] = {
        "state": view.state,
        "items": view.page.events,
        "newest": view.page.newest,
        "oldest": view.page.oldest,
        "kept_days": view.days or None,
        "next": _query(failed=failed, after=view.page.next) if view.page.next else "",
    }
    return JSONResponse(jsonable_encoder(body), headers={"cache-control": "no-store"})


def ui_link(site: Site, row: IncidentDetail) -> str:
    """The workflow in Temporal's own UI, "" where that is not known."""
    base = site.temporal_ui()
    if not base or not row.workflow_id:
        return ""
    namespace = quote(site.settings.temporal_namespace, safe="")
    return f"{base.rstrip('/')}/namespaces/{namespace}/workflows/{quote(row.workflow_id, safe='')}/{quote(row.run_id, safe='')}"


def trace_link(site: Site, trace: str) -> str:
    """The trace in Jaeger, "" where its address is not set."""
    base = site.settings.trace_ui_url.rstrip("/")
    return f"{base}/trace/{quote(trace, safe='')}" if base and trace else ""


async def _row(site: Site, incident: str) -> IncidentDetail:
    view = await site.insights.incident(incident, entries=1)
    if view is None:
        raise PageError(404, f"There is no incident {incident}.", "The list has all that are kept.")
    return view.row


async def _read(request: Request, row: IncidentDetail) -> tuple[HistoryView, bool]:
    failed = request.query_params.get("failed") == "yes"
    after = request.query_params.get("after", "")
    histories = site_of(request).histories
    return await histories.read(row.workflow_id, row.run_id, after, failed=failed), failed


def _query(*, failed: bool, after: str = "") -> str:
    pairs = [(k, v) for k, v in (("failed", "yes" if failed else ""), ("after", after)) if v]
    return "?" + urlencode(pairs) if pairs else ""
