"""What stands before every page: who may ask, from where, and what a browser may do with the answer.

Who may do what is in access.py; this is what holds for everybody, logged in or not. It is written for the normal case
of a home network on plain HTTP, where browsers send no Sec-Fetch-* headers.
"""

import re
import uuid
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from policy.links import POST as LINK_POST

CLIENT_HEADER = "x-tiercel-client"  # no cross-site page can send it without our leave
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
# Browsers ignore it on plain HTTP under a host name, and complain in the console of every page.
OPENER = ("cross-origin-opener-policy", "same-origin")
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")


def allowed_hosts(public_url: str, web_host: str = "127.0.0.1") -> frozenset[str]:
    """Host names under which we answer: loopback, our own address, and the name of `public_url`."""
    host = urlsplit(public_url).hostname if public_url else None
    own = f"[{web_host}]" if ":" in web_host else web_host
    return LOOPBACK | {own, *([host.lower()] if host else ())}


def root_path_of(public_url: str) -> str:
    """The path prefix under which a proxy shows us: `/ops` of https://home.example/ops/."""
    return urlsplit(public_url).path.rstrip("/")


def host_name(host_header: str) -> str:
    """The name in a Host header, without its port."""
    if host_header.startswith("["):
        return host_header.partition("]")[0] + "]"
    return host_header.rpartition(":")[0] or host_header if ":" in host_header else host_header


def refusal(
    method: str, headers: Headers, hosts: frozenset[str], public_url: str, *, exempt: bool = False
) -> str | None:
    """Why a request must not be served; None where it may. `exempt` ones may come from any site."""
    host = headers.get("host", "")
    if host_name(host).lower() not in hosts and not _is_number(host_name(host), hosts):
        return f"this dashboard does not answer to the name '{host_name(host)}'; set TIERCEL_PUBLIC_URL to the address that people use"
    if method in SAFE or exempt:
        return None
    return _cross_site(headers, host, public_url)


def _is_number(name: str, hosts: frozenset[str]) -> bool:
    """Where we listen on every address, each of them is ours. No name server can give out a number for a number."""
    if not hosts & {"0.0.0.0", "[::]"}:  # noqa: S104 - compared, not bound
        return False
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _cross_site(headers: Headers, host: str, public_url: str) -> str | None:
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return "the request comes from another site"
    if origin is not None:
        own = {f"http://{host}", f"https://{host}", *_origin_of(public_url)}
        return None if origin.lower() in {o.lower() for o in own} else "the request comes from another site"
    if site == "same-origin" or headers.get(CLIENT_HEADER) or bearer(headers):
        return None
    return f"the request names no origin; a program must send the header {CLIENT_HEADER}: <its name>"


def bearer(headers: Headers) -> str:
    """The key that a program sends. With one, cookies count for nothing, so no browser can be talked into it."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def is_secure(public_url: str) -> bool:
    """Whether people come by https, so that cookies may insist on it."""
    return public_url.lower().startswith("https://")


def safe_path(wanted: str, root: str, otherwise: str) -> str:
    """A path of this site to go to, or `otherwise`. Another site's address is never one."""
    plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted
    here = wanted.startswith(f"{root}/") and not wanted.startswith("//")
    parts = urlsplit(wanted) if plain and here else None
    return wanted if parts and not parts.scheme and not parts.netloc else otherwise


def _origin_of(public_url: str) -> Iterable[str]:
    parts = urlsplit(public_url)
    if parts.scheme and parts.netloc:
        yield f"{parts.scheme}://{parts.netloc}"


class Guard:
    """ASGI middleware: host and origin checks, security headers, a request id on everything."""

    def __init__(
        self, app: ASGIApp, public_url: str, count_of_changes: Callable[[], int], web_host: str = "127.0.0.1"
    ) -> None:
        self._app = app
        self._count_of_changes = count_of_changes
        self._public_url = public_url
        self._secure = is_secure(public_url)
        self._hosts = allowed_hosts(public_url, web_host)
        self._root = root_path_of(public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse or pass on; lifespan passes untouched."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self._handshake(scope, receive, send)
            return
        self._place(scope)
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex[:12]
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        # Taken before anything is read, so that a page knows what it may have missed while it was made.
        state["count_of_changes"] = self._count_of_changes()
        structlog.contextvars.bind_contextvars(request_id=request_id)

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    out.setdefault(name, value)
                if self._secure or host_name(headers.get("host", "")).lower() in LOOPBACK:
                    out.setdefault(*OPENER)
                out["x-request-id"] = request_id
            await send(message)

        # A link's page sends no referrer, so its form has the origin "null"; a message app has its own. The token
        # in the body proves more than an origin could, and cookies count for nothing there.
        exempt = scope["path"] == self._root + LINK_POST
        reason = refusal(scope["method"], headers, self._hosts, self._public_url, exempt=exempt)
        if reason is not None:
            status = 421 if reason.startswith("this dashboard") else 403
            await PlainTextResponse(f"Refused: {reason}. (request {request_id})\n", status_code=status)(
                scope, receive, guarded_send
            )
            return
        await self._app(scope, receive, guarded_send)

    async def _handshake(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A WebSocket may do anything once it is open, so its handshake is judged like a POST."""
        self._place(scope)
        if refusal("POST", Headers(scope=scope), self._hosts, self._public_url) is None:
            await self._app(scope, receive, send)
            return
        await receive()  # websocket.connect; closing before accepting answers the handshake with 403
        await send({"type": "websocket.close", "code": 1008, "reason": "the request comes from another site"})

    def _place(self, scope: Scope) -> None:
        """Whether a proxy keeps the prefix or takes it off, the application sees it kept."""
        if not self._root:
            return
        scope["root_path"] = self._root
        if not (scope["path"] == self._root or scope["path"].startswith(self._root + "/")):
            scope["path"] = self._root + scope["path"]
