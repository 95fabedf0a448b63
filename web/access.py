"""The one way in: who asks, and whether they may. Every route names its permission (routes.py), and this checks it."""

from dataclasses import dataclass

from starlette.datastructures import FormData
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from domain.errors import TiercelError
from domain.people import OWNER, Permission, Who
from policy import people as policy
from policy.people import ABSOLUTE
from web.errors import NotLoggedInError, PageError, PasswordNeededError
from web.live.stream import Leave
from web.security import SAFE, bearer, is_secure, root_path_of
from web.services.logins import Entry, Visitor
from web.site import Site, site_of

A_YEAR_S = 365 * 24 * 3600
BROWSER_COOKIE = "tiercel_browser"
PASSWORD_FIELD = "password_again"  # noqa: S105 - the name of a field


@dataclass(frozen=True)
class Needs:
    """What a route asks for, as FastAPI's dependency."""

    permission: Permission

    async def __call__(self, connection: HTTPConnection) -> None:
        """Let in, or raise what becomes a redirect to the login, 401 or 403."""
        await admit(connection, self.permission)


async def admit(connection: HTTPConnection, permission: Permission) -> None:
    """Find out who asks, remember it for the request, and refuse what they may not do."""
    if permission == Permission.OPEN:
        return
    who = await identify(connection)
    if who is None:
        raise NotLoggedInError
    connection.state.who = who
    await require(connection, permission)


async def require(connection: HTTPConnection, permission: Permission) -> None:
    """For what depends on more than the address: refuse unless whoever was let in may do this as well."""
    site, who = site_of(connection), connection.state.who
    reason = policy.refusal(who, permission)
    if reason:
        path = str(connection.scope["path"])
        await site.logins.refused(who, f"{connection.scope.get('method', 'WS')} {path}"[:200], reason)
        raise PageError(403, reason, _way_out(who))
    acts = connection.scope.get("method", "") not in SAFE
    if permission in policy.HARMFUL and acts:
        await ask_password(connection)


def _way_out(who: Who) -> str:
    if who == OWNER:
        return "Set it and restart Tiercel. The next start shows a link to the first account."
    return "" if who.kind == "key" else "Ask an admin, or log in as somebody else."


async def ask_password(connection: HTTPConnection) -> None:
    """For harmful acts: a session whose password was entered long ago shows it once more.

    What the form held is kept on the page that asks, so nothing has to be typed twice.
    """
    site, who = site_of(connection), connection.state.who
    if not policy.password_is_old(who, site.now()):
        return
    form = await connection.form() if isinstance(connection, Request) else FormData()
    typed = form.get(PASSWORD_FIELD)
    message = ""
    if isinstance(typed, str) and typed:
        entry = await site.logins.confirm(who, typed, visitor_of(connection))
        if entry.accepted:
            return
        message = entry.message
    fields = tuple((k, v) for k, v in form.multi_items() if isinstance(v, str) and k != PASSWORD_FIELD)
    raise PasswordNeededError(message, fields)


async def identify(connection: HTTPConnection, *, count: bool = True) -> Who | None:
    """Who asks: by key, by session, or the owner where login is switched off. None: nobody.

    A key that is refused raises NotLoggedInError with the reason: a cookie beside it must not stand in for it.
    """
    site = site_of(connection)
    key = bearer(connection.headers)
    if key:
        answer = await site.logins.of_key(key, visitor_of(connection), count=count)
        if answer.who is None:
            raise NotLoggedInError(answer.message)
        return answer.who
    if not site.settings.web_login:
        return OWNER
    cookie = connection.cookies.get(session_cookie(site), "")
    return await site.logins.of_cookie(cookie, address_of(connection)) if cookie else None


async def look_who(request: Request) -> None:
    """For pages that are open to all and show more to who is logged in. A record that is away shows less."""
    try:
        request.state.who = await identify(request, count=False)
    except (TiercelError, NotLoggedInError):
        request.state.who = None


def leave_of(request: Request) -> Leave:
    """Ends a stream when its listener is signed out, disabled, or its key revoked."""
    who: Who = request.state.who

    async def still() -> bool:
        try:
            now = await identify(request, count=False)
        except NotLoggedInError:
            return False
        except TiercelError:
            return True  # the record is away: nobody can have been signed out by it
        return now is not None and not policy.refusal(now, Permission.LOOK)

    return Leave(who.person, still)


# ---------------------------------------------------------------- cookies and addresses


def session_cookie(site: Site) -> str:
    """The name binds the cookie to this host where browsers allow that: https, without a path prefix."""
    url = site.settings.public_url
    return "__Host-tiercel" if is_secure(url) and not root_path_of(url) else "tiercel_session"


def let_in(request: Request, response: Response, entry: Entry) -> Response:
    """Set the cookies of a new session."""
    site = site_of(request)
    _set(request, response, session_cookie(site), entry.cookie, int(ABSOLUTE.total_seconds()))
    _set(request, response, BROWSER_COOKIE, entry.browser, A_YEAR_S)
    return response


def let_out(request: Request, response: Response) -> Response:
    """Forget the session in this browser; that the browser is known stays."""
    _set(request, response, session_cookie(site_of(request)), "", 0)
    return response


def _set(request: Request, response: Response, name: str, value: str, age_s: int) -> None:
    response.set_cookie(
        name,
        value,
        max_age=age_s,
        httponly=True,
        samesite="lax",
        secure=is_secure(site_of(request).settings.public_url),
        path=str(request.scope.get("root_path", "")) or "/",
    )


def address_of(connection: HTTPConnection) -> str:
    """From where the connection comes. Behind a proxy that is the proxy, unless the settings trust what it says."""
    peer = connection.client.host if connection.client else "local"
    named = ",".join(connection.headers.getlist("x-forwarded-for"))
    return policy.client_address(peer, named, site_of(connection).settings.trusted_networks) if named else peer


def visitor_of(connection: HTTPConnection) -> Visitor:
    """What is known of somebody before they log in."""
    return Visitor(
        address=address_of(connection),
        user_agent=connection.headers.get("user-agent", "")[:300],
        browser=connection.cookies.get(BROWSER_COOKIE, "")[:200],
    )
