"""For the supervisor and for doctor: whether this process can do its work."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domain.errors import TiercelError
from web.site import site_of


async def handle(request: Request) -> Response:
    """GET /healthz. 200 while the record answers; the engine's state is told, but pages work without it."""
    site = site_of(request)
    try:
        await site.insights.waiting()
        record = True
    except TiercelError:
        record = False
    body = {
        "record": record,
        "engine": await site.engine.alive(),
        "listening": site.record_alive(),
        "streams": site.hub.open_streams,
        "scripted": site.settings.scripted,
        "dry_run": site.settings.dry_run,
    }
    return JSONResponse(body, status_code=200 if record else 503, headers={"cache-control": "no-store"})
