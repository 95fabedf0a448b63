"""One incident: state in a sentence, course, live log, actions, approvals, evidence, who was told."""

from starlette.requests import Request
from starlette.responses import Response

from domain.incident import IncidentState
from web import charts
from web.errors import PageError
from web.formats import MARKS
from web.pages._common import frame
from web.pages._log import log_context
from web.pages.workflow_show import trace_link, ui_link
from web.site import site_of
from web.viewmodels import IncidentView, SessionView

KINDS = {
    **dict.fromkeys(("verified", "recovered", "closed", "resolved"), "good"),
    **dict.fromkeys(("not_verified", "reopened", "needs_person", "broken"), "bad"),
    **dict.fromkeys(("approval", "waiting"), "ask"),
    **dict.fromkeys(("action", "tier_started", "tier_ended", "opened", "state"), "live"),
}


async def handle(request: Request, incident: str) -> Response:
    """GET /incidents/{incident}."""
    site = site_of(request)
    view = await site.insights.incident(incident)
    if view is None:
        if request.query_params.get("started"):
            context = await frame(request, "incidents_list", f"incident:{incident}", incident=incident)
            return site.renderer.page(request, "starting.html", context, 202)
        raise PageError(
            404,
            f"There is no incident {incident}.",
            "It may have been removed after the retention time; the list has all that are kept.",
        )
    shown = chosen(view, request.query_params.get("log", ""))
    context = await frame(
        request,
        "incidents_list",
        f"incident:{view.row.id}",
        view=view,
        questions=await site.insights.questions(view.pending),
        sentence=sentence(view),
        chart=charts.tier_chart(view, site.now()),
        shown=shown,
        granted=await site.insights.granted(shown.row.id) if shown else None,
        log=await log_context(request, site, shown) if shown else None,
        isolation_missing=_not_isolated(view),
        engine_down=view.row.closed_at is None and not await site.engine.alive(),
        workflow_link=ui_link(site, view.row),
        trace_link=trace_link(site, view.trace),
        tone=tone,
        mark=mark,
    )
    return site.renderer.page(request, "incident.html", context)


def tone(kind: str) -> str:
    """The colour of an entry of the history."""
    return KINDS.get(kind, "plain")


def mark(kind: str) -> str:
    """Its shape."""
    return MARKS[tone(kind)]


def chosen(view: IncidentView, key: str) -> SessionView | None:
    """The session whose log is shown: the one that the address names, else the newest."""
    named = next((s for s in view.sessions if s.key == key), None)
    return named or (view.sessions[-1] if view.sessions else None)


def sentence(view: IncidentView) -> str:
    """The state in words."""
    row = view.row
    what = row.summary or "no summary yet"
    match row.state:
        case IncidentState.OPEN:
            running = [s for s in view.sessions if s.row.status == "running"]
            doing = f"Tier {running[-1].row.tier} is looking into it" if running else "Waiting for the next step"
            return f"{doing}: {what}"
        case IncidentState.WAITING:
            return f"Parked until somebody answers the approval below: {what}"
        case IncidentState.VERIFYING:
            return f"Something was done; our own probes must stay green now. {what}"
        case IncidentState.WATCHING:
            return f"Fixed and verified; looking again later. {what}"
        case IncidentState.NEEDS_PERSON if view.origin:
            return what
        case IncidentState.NEEDS_PERSON:
            return f"No tier could repair it. It is yours: {what}"
        case _:
            return what


def _not_isolated(view: IncidentView) -> str:
    tiers = sorted({s.row.tier for s in view.sessions if not s.row.isolated})
    return f"Tier {', '.join(str(t) for t in tiers)}" if tiers else ""
