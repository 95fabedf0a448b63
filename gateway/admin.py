"""The admin socket: the worker opens and closes doors here. Only our own user reaches it (0600)."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web
from pydantic import ValidationError

from domain.errors import ConfigurationError, TransientError
from domain.examination import Examination
from domain.ids import SessionId
from domain.ports import Door

MAX_BODY = 64 << 10
OTHER_SESSION = "the session in the address and in the body differ"
TryCredential = Callable[[], Awaitable[Examination]]


class Keeper(Protocol):
    """Keeps doors: this gateway's own, or those that lead to another machine's gateway."""

    def sessions(self) -> tuple[SessionId, ...]: ...

    async def open(self, door: Door) -> None: ...

    async def close(self, session: SessionId) -> bool: ...


class Admin:
    """PUT and DELETE /doors/{session}, GET /doors, GET /healthz, POST /credential/try."""

    def __init__(self, keeper: Keeper, try_credential: TryCredential, lost: Callable[[], int] = lambda: 0) -> None:
        """`lost`: how many records could not be kept."""
        self._keeper = keeper
        self._lost = lost
        self._try_credential = try_credential

    def app(self) -> web.Application:
        """The application behind the admin socket."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_put("/doors/{session}", self._open)
        app.router.add_delete("/doors/{session}", self._close)
        app.router.add_get("/doors", self._list)
        app.router.add_get("/healthz", self._health)
        app.router.add_post("/credential/try", trying(self._try_credential))
        return app

    async def _open(self, request: web.Request) -> web.Response:
        try:
            door = Door.model_validate_json(await request.read())
        except ValidationError as e:
            return no_door(e)
        if door.session != request.match_info["session"]:
            return wrong(OTHER_SESSION)
        try:
            await self._keeper.open(door)
        except ConfigurationError as e:
            return wrong(str(e))
        except (OSError, TransientError) as e:
            why = e.strerror if isinstance(e, OSError) else str(e)
            return web.json_response({"error": f"the door cannot be opened: {why}"}, status=503)
        return web.json_response({"socket": str(door.folder.socket)})

    async def _close(self, request: web.Request) -> web.Response:
        try:
            closed = await self._keeper.close(SessionId(request.match_info["session"]))
        except ConfigurationError as e:
            return wrong(str(e))
        except TransientError as e:
            return web.json_response({"error": f"the door cannot be closed: {e}"}, status=503)
        return web.json_response({"closed": closed})

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response({"sessions": self._keeper.sessions()})

    async def _health(self, request: web.Request) -> web.Response:
        doors, lost = len(self._keeper.sessions()), self._lost()
        return web.json_response({"ok": True, "doors": doors, "records_lost": lost})


def trying(try_credential: TryCredential) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The handler that tries the credential."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response((await try_credential()).model_dump(mode="json"))

    return answer


def no_door(error: ValidationError) -> web.Response:
    """Only where the body is wrong: what is wrong could be a token."""
    first = error.errors()[0]
    return wrong(f"the body is no door: {first['loc']}: {first['type']}")


def wrong(message: str) -> web.Response:
    """The asker's fault, in words."""
    return web.json_response({"error": message}, status=400)
