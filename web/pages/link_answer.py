"""An answer by a link: from its page, or from a button in a message. The token in the body is the proof."""

from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from policy.links import LinkState
from web.access import visitor_of
from web.errors import PageError
from web.pages.link_show import HEADERS, over, page
from web.services.links import Followed
from web.site import site_of

MAX_BODY = 8_192


async def handle(request: Request) -> Response:
    """POST /a with `token`, `decision` (approve or deny), `pin`, `reason`. Cookies count for nothing here."""
    fields = await _fields(request)
    decision, token = fields.get("decision", ""), fields.get("token", "")
    if decision not in {"approve", "deny"} or not token:
        raise PageError(422, "An answer needs the token of a link, and the decision approve or deny.")
    found = await site_of(request).links.answer(
        token,
        approve=decision == "approve",
        pin=fields.get("pin", "").strip(),
        reason=fields.get("reason", "")[:500],
        visitor=visitor_of(request),
    )
    if "text/html" not in request.headers.get("accept", ""):
        return _plain(found)
    return await _page(request, found, token)


async def _page(request: Request, found: Followed, token: str) -> Response:
    if found.verdict.state != LinkState.OPEN or found.act is None or found.link is None or found.approval is None:
        return over(request, found)
    after = await site_of(request).insights.approval(found.approval.id) or found.approval
    if not found.act.accepted and after.state == "pending":
        return await page(request, found, token)
    context = {"live": False, "section": "", "bare": True, "act": found.act, "a": after}
    response = site_of(request).renderer.page(request, "link_done.html", context, 200 if found.act.accepted else 409)
    response.headers.update(HEADERS)
    return response


def _plain(found: Followed) -> Response:
    """For the button of a message app. A web app shows whether it worked only where it may read the answer."""
    accepted = found.act is not None and found.act.accepted
    verdict = found.verdict
    message = found.act.message if found.act else f"{verdict.head}. {verdict.text} {verdict.next}"
    status = 200 if accepted else 409 if found.act else 410
    headers = {**HEADERS, "access-control-allow-origin": "*"}
    return JSONResponse({"accepted": accepted, "message": message}, status_code=status, headers=headers)


async def _fields(request: Request) -> dict[str, str]:
    """The form, whatever content type an app gives it."""
    body = await request.body()
    if len(body) > MAX_BODY:
        raise PageError(413, "An answer has at most 8 KiB.")
    parsed = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20)
    return {name: values[-1] for name, values in parsed.items()}
