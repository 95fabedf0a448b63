"""Small things that several handlers share: the page's frame, service addresses, answers to acts."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from web.errors import PageError
from web.services.actions import Act
from web.site import site_of

ALWAYS = ("approval",)  # topics that every page listens to: the number in the navigation


async def frame(request: Request, section: str, *topics: str, **context: Any) -> dict[str, Any]:
    """What every page needs besides its own view."""
    return {
        "section": section,
        "topics": ",".join(dict.fromkeys((*topics, *ALWAYS))),
        "waiting": await site_of(request).insights.waiting(),
        "service_url": service_url(request),
        "note_url": note_url(request),
        **context,
    }


def address(request: Request, name: str, /, **params: Any) -> str:
    """The path of a page, with the prefix of a proxy."""
    return str(request.scope.get("root_path", "")) + str(request.app.url_path_for(name, **params))


def service_url(request: Request) -> Callable[[str], str]:
    """The page of a canonical service id."""

    def url(service: str) -> str:
        node, _, name = service.partition("/")
        return address(request, "service_show", node=node, name=name)

    return url


def note_url(request: Request) -> Callable[[str, str], str]:
    """Where snooze, maintenance and reset of a service are posted."""

    def url(service: str, kind: str) -> str:
        node, _, name = service.partition("/")
        return address(request, "service_note", node=node, name=name, kind=kind)

    return url


def acted(request: Request, act: Act, back: str, *, leave: bool = False) -> Response:
    """What the person is told. htmx gets a sentence (or a new page with `leave`), a plain form goes `back`."""
    if not act.accepted:
        raise PageError(
            409, act.message, f"See {address(request, 'incident_show', incident=act.incident)}" if act.incident else ""
        )
    if request.headers.get("hx-request") != "true":
        return RedirectResponse(back, status_code=303)
    if leave:
        return HTMLResponse("", headers={"HX-Redirect": back})
    html = site_of(request).renderer.fragment(request, "said.html", {"tone": "good", "text": act.message, "link": ""})
    return HTMLResponse(html, headers={"cache-control": "no-store"})
