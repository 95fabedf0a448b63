"""A link from a message, as its page. GET and HEAD never act: mail scanners open every link they see."""

from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from policy.links import LinkState
from web.access import look_who
from web.pages._common import address
from web.services.links import Followed
from web.site import site_of, who_of

STATUS = {
    LinkState.UNKNOWN: 404,
    LinkState.FOREIGN: 403,
    LinkState.OPEN: 200,
}
GONE = 410  # used, expired, answered, replaced
HEADERS = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-robots-tag": "noindex"}


async def handle(request: Request, token: str) -> Response:
    """GET /a/{token}. Whoever is logged in as its person goes to the approval itself."""
    await look_who(request)
    who = who_of(request)
    found = await site_of(request).links.follow(token, who.name if who and who.kind != "key" else "")
    if found.verdict.state != LinkState.OPEN or found.link is None or found.approval is None:
        return over(request, found)
    if who is not None and who.kind != "key":
        return RedirectResponse(to_approval(request, found), status_code=303, headers=HEADERS)
    return await page(request, found, token)


async def page(request: Request, found: Followed, token: str) -> Response:
    """The question for somebody who is not logged in, with what was wrong with the last answer."""
    assert found.approval is not None  # noqa: S101 - the link is open, so there is one
    site = site_of(request)
    (question,) = await site.insights.questions([found.approval])
    login = f"{address(request, 'login_show')}?{urlencode({'next': to_approval(request, found)})}"
    context = {
        "live": False,
        "section": "",
        "bare": True,
        "a": found.approval,
        "q": question,
        "link": found.link,
        "token": token,
        "wrong": found.act.message if found.act else "",
        "login": login,
    }
    status = 200 if found.act is None else 429 if found.wait_s else 403
    return _sent(site.renderer.page(request, "link.html", context, status), found.wait_s)


def over(request: Request, found: Followed) -> Response:
    """The page of a link that cannot be answered (any more), with the next step."""
    approval = found.approval.id if found.approval else ""
    context = {"live": False, "section": "", "bare": True, "verdict": found.verdict, "approval": approval}
    status = STATUS.get(found.verdict.state, GONE)
    return _sent(site_of(request).renderer.page(request, "link_over.html", context, status))


def to_approval(request: Request, found: Followed) -> str:
    """The approval behind the login. It names the link by its id, which opens nothing; the token stays out of it."""
    assert found.link is not None  # noqa: S101 - as above
    return address(request, "approval_show", approval=found.link.approval) + f"?link={quote(found.link.id)}"


def _sent(response: Response, wait_s: float = 0.0) -> Response:
    response.headers.update(HEADERS)
    if wait_s:
        response.headers["retry-after"] = str(round(wait_s + 0.5))
    return response
