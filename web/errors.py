"""Faults as pages: what happened, what to do, and the id under which the log has it; for programs as JSON or text."""

from urllib.parse import urlencode, urlsplit

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from domain.errors import (
    ConfigurationError,
    EngineUnavailableError,
    FatalError,
    OldSchemaError,
    RecordUnavailableError,
    TransientError,
)
from web.addresses import path_to
from web.security import SAFE, safe_path
from web.site import site_of

_log = structlog.get_logger("web")

HEADS = {
    400: ("This request cannot be read", ""),
    401: ("Log in first", "Log in, then do it again. Nothing was done."),
    403: ("Refused", ""),
    404: ("Nothing here", "It may have been removed after the retention time, or the address has a typing error."),
    405: ("Not possible here", "Use the buttons of the page."),
    409: ("Not done", ""),
    413: ("Too large", "A request may have at most 1 MiB."),
    422: ("Something is missing or wrong", ""),
    429: ("Too soon", "Wait a little, then try again. Nothing was done."),
    500: ("A fault of ours", "The log has the details under the request id below. What runs is not affected."),
    503: ("Not available now", ""),
}
FILES = (".csv", ".jsonl", ".txt", ".md", ".env", "/metrics")  # addresses whose answer is kept or read by a program
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
SENTENCES = frozenset({"text", "prompt", "reason", "note"})  # fields that somebody had to think about
RECORD_FIX = "Start Postgres, or look at why it stopped: `tiercel doctor`. Running work waits and loses nothing; this page works again by itself."
ENGINE_FIX = "Start Temporal, or look at why it stopped: `tiercel doctor`. Nothing was done; running work goes on from where it was."


class PageError(Exception):
    """A page that says what is wrong, with its status."""

    def __init__(self, status: int, text: str, fix: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.fix = fix


class NotLoggedInError(Exception):
    """Nobody is logged in, or the key is refused (`text`)."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.text = text


class PasswordNeededError(Exception):
    """A harmful act waits for the password. `text`: what was wrong with the one given; `fields`: what the form held."""

    def __init__(self, text: str, fields: tuple[tuple[str, str], ...]) -> None:
        super().__init__(text)
        self.text = text
        self.fields = fields


async def answer(request: Request, status: int, text: str, fix: str = "") -> Response:
    """The message page; a problem (RFC 9457) where JSON was asked for, text where a file was.

    Needs neither record nor engine. The page of a refused form has what was written in it, and the way back.
    """
    head, usual = HEADS.get(status) or HEADS[400 if status < 500 else 500]
    text, fix = text or usual, fix or (usual if text else "")
    headers = {"cache-control": "no-store"}
    if _wants_json(request):
        problem = {"title": head, "status": status, "detail": text, "fix": fix}
        return JSONResponse(problem, status, headers=headers, media_type="application/problem+json")
    if request.url.path.endswith(FILES):
        request_id = str(request.scope.get("state", {}).get("request_id", ""))
        lines = (f"{head}.", text, f"What to do: {fix}" if fix else "", f"Request {request_id}" if request_id else "")
        return PlainTextResponse("".join(f"{line}\n" for line in lines if line), status, headers=headers)
    written, back = await _written(request), _came_from(request)
    context = {"head": head, "text": text, "fix": fix, "section": "", "live": False, "written": written, "back": back}
    return site_of(request).renderer.page(request, "message.html", context, status)


async def _written(request: Request) -> tuple[str, ...]:
    """The sentences of a plain form; never a password, a PIN or a code. In a page with htmx the form still stands."""
    kind = request.headers.get("content-type", "")
    if request.method in SAFE or request.headers.get("hx-request") == "true" or not kind.startswith(FORMS):
        return ()
    try:
        fields = (await request.form()).multi_items()
    except (HTTPException, RuntimeError):  # too large, or read by somebody else already
        return ()
    return tuple(v.strip() for k, v in fields if k in SENTENCES and isinstance(v, str) and v.strip())


def _came_from(request: Request) -> str:
    """The page of ours whose form was sent; "" where that is not known."""
    page = urlsplit(request.headers.get("referer", ""))
    if request.method in SAFE or page.netloc != request.headers.get("host", ""):
        return ""
    path = page.path + (f"?{page.query}" if page.query else "")
    return safe_path(path, str(request.scope.get("root_path", "")), "")


def _wants_json(request: Request) -> bool:
    """By the address, or where a program sends something and says which answer it reads."""
    sends = request.method not in {"GET", "HEAD"}
    return request.url.path.endswith(".json") or (sends and "application/json" in request.headers.get("accept", ""))


async def _page_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PageError)  # noqa: S101
    return await answer(request, error.status, error.text, error.fix)


async def _not_logged_in(request: Request, error: Exception) -> Response:
    """A person who wants a page is sent to log in and comes back to it; everybody else is told."""
    assert isinstance(error, NotLoggedInError)  # noqa: S101
    wants_page = request.method in {"GET", "HEAD"} and "text/html" in request.headers.get("accept", "")
    if not error.text and wants_page and request.headers.get("hx-request") != "true":
        here = str(request.scope["path"]) + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"{path_to(request, 'login_show')}?{urlencode({'next': here})}", status_code=303)
    response = await answer(request, 401, error.text or "Nobody is logged in here, or the session has ended.")
    response.headers["www-authenticate"] = 'Bearer realm="tiercel"'
    return response


async def _password_needed(request: Request, error: Exception) -> Response:
    """The same form once more, with a field for the password. htmx gets it where messages stand."""
    assert isinstance(error, PasswordNeededError)  # noqa: S101
    renderer = site_of(request).renderer
    context = {"section": "", "live": False, "wrong": error.text, "fields": error.fields, "action": request.url.path}
    if request.headers.get("hx-request") != "true":
        return renderer.page(request, "confirm.html", context, 403)
    headers = {"HX-Retarget": "#said", "HX-Reswap": "innerHTML", "cache-control": "no-store"}
    return HTMLResponse(renderer.fragment(request, "_confirm.html", context), headers=headers)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    from web.access import look_who  # it raises what this file answers

    await look_who(request)  # so that the navigation is there
    response = await answer(request, error.status_code, "" if error.status_code in {404, 405} else str(error.detail))
    response.headers.update(error.headers or {})  # which methods an address has
    return response


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    lines = [f"{'.'.join(str(p) for p in e['loc'][1:])}: {e['msg']}" for e in error.errors()]
    return await answer(request, 422, "; ".join(lines))


async def _record(request: Request, error: Exception) -> Response:
    _log.warning("record unavailable", path=request.url.path, error=str(error))
    return await answer(request, 503, "The record (Postgres) does not answer, so there is nothing to show.", RECORD_FIX)


async def _engine(request: Request, error: Exception) -> Response:
    _log.warning("engine unavailable", path=request.url.path, error=str(error))
    return await answer(
        request, 503, "The workflow engine (Temporal) does not answer, so nothing was done.", ENGINE_FIX
    )


async def _fault(request: Request, error: Exception) -> Response:
    _log.warning("refused", path=request.url.path, error=str(error))
    status = 503 if isinstance(error, TransientError | OldSchemaError | ConfigurationError) else 409
    return await answer(request, status, str(error))


async def _unexpected(request: Request, error: Exception) -> Response:
    _log.error("page failed", path=request.url.path, exc_info=error)
    return await answer(request, 500, "")


def add_handlers(app: FastAPI) -> None:
    """Register all of them; the most exact class wins."""
    app.add_exception_handler(PageError, _page_error)
    app.add_exception_handler(NotLoggedInError, _not_logged_in)
    app.add_exception_handler(PasswordNeededError, _password_needed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(RecordUnavailableError, _record)
    app.add_exception_handler(EngineUnavailableError, _engine)
    app.add_exception_handler(TransientError, _fault)
    app.add_exception_handler(FatalError, _fault)
    app.add_exception_handler(Exception, _unexpected)
