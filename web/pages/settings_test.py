"""One test button: what it found, in place of what it found before."""

from fastapi.encoders import jsonable_encoder
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from web.errors import PageError
from web.pages._common import address
from web.services.examinations import NAMES, PARTS
from web.site import actor_of, site_of

_NO_STORE = {"cache-control": "no-store"}


async def handle(request: Request, part: str) -> Response:
    """POST /settings/{part}/test. htmx gets the part's row, a program JSON, a plain form the page again."""
    if part not in NAMES:
        raise PageError(404, f"There is nothing called {part} to test.", f"One of: {', '.join(NAMES)}.")
    site = site_of(request)
    act = await site.examinations.run(part, actor_of(request))
    tested = site.examinations.newest.get(part)
    if request.headers.get("hx-request") == "true":
        shown = next(p for p in PARTS if p.name == part)
        view = {"part": shown, "tested": tested, "refused": "" if act.accepted else act.message}
        return HTMLResponse(site.renderer.fragment(request, "_tested.html", view), headers=_NO_STORE)
    if not act.accepted:
        raise PageError(429, act.message)
    if "application/json" in request.headers.get("accept", "") and tested:
        body = {"part": part, "level": tested.level, "at": tested.at, "findings": tested.findings}
        return JSONResponse(jsonable_encoder(body), headers=_NO_STORE)
    return RedirectResponse(address(request, "settings_show") + f"#t-{part}", status_code=303)
