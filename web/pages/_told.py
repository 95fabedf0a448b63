"""Answers to changes of accounts and keys: a sentence, a secret that is shown this once, and the way back."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from web.errors import PageError
from web.services.people import Said
from web.site import site_of


@dataclass(frozen=True)
class Undo:
    """A button that takes the change back."""

    label: str
    action: str
    fields: tuple[tuple[str, str], ...] = ()


def told(
    request: Request, said: Said, back: str, *, secret: str = "", label: str = "", undo: Undo | None = None
) -> Response:
    """Htmx gets the sentence where messages stand, a plain form a page of its own (or `back`, with nothing to show)."""
    if not said.accepted:
        raise PageError(409, said.message)
    renderer = site_of(request).renderer
    context = {"text": said.message, "secret": secret, "label": label, "undo": undo, "back": back}
    headers = {"cache-control": "no-store"}
    if request.headers.get("hx-request") == "true":
        return HTMLResponse(renderer.fragment(request, "_told.html", context), headers=headers)
    if not secret and undo is None:
        return RedirectResponse(back, status_code=303)
    return renderer.page(request, "told.html", {**context, "section": "", "live": False})
