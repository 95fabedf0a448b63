"""What our other machines may ask for, once they have shown the secret: doors for the sessions that they run."""

import secrets
from collections.abc import Callable

from aiohttp import web
from pydantic import ValidationError

from domain.base import Value
from domain.errors import ConfigurationError
from domain.ids import SessionId
from domain.ports import Door
from gateway.admin import MAX_BODY, OTHER_SESSION, TryCredential, no_door, trying, wrong
from gateway.doors import DoorKeeper
from gateway.remote.guesses import EntranceBook


class Wish(Value):
    """Open this door. `token`: the one that the asking machine has for it, or ""."""

    door: Door
    token: str = ""


class Proof(Value):
    """The token of a door that is to be closed."""

    token: str


class RemoteAdmin:
    """PUT, GET and DELETE /doors/{session}, GET /doors, POST /credential/try. Only remote doors are seen from here."""

    def __init__(
        self,
        keeper: DoorKeeper,
        book: EntranceBook,
        try_credential: TryCredential,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._keeper = keeper
        self._book = book
        self._try_credential = try_credential
        self._random = random

    def app(self) -> web.Application:
        """The application behind `CONNECT admin`."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_put("/doors/{session}", self._open)
        app.router.add_get("/doors/{session}", self._look)
        app.router.add_delete("/doors/{session}", self._close)
        app.router.add_get("/doors", self._list)
        app.router.add_post("/credential/try", trying(self._try_credential))
        return app

    async def _open(self, request: web.Request) -> web.Response:
        try:
            wish = Wish.model_validate_json(await request.read())
        except ValidationError as e:
            return no_door(e)
        door = wish.door
        if door.session != request.match_info["session"]:
            return wrong(OTHER_SESSION)
        try:
            token = await self._keeper.open_remote(door, wish.token, self._random)
        except ConfigurationError as e:
            return wrong(str(e))
        except OSError as e:
            return web.json_response({"error": f"the door cannot be opened: {e.strerror}"}, status=503)
        if token:
            told: dict[str, object] = {"session": door.session, "attempt": door.attempt, "tier": door.tier}
            self._book.tell("token.issued", _peer(request), told)
        return web.json_response({"token": token})

    async def _look(self, request: web.Request) -> web.Response:
        session = SessionId(request.match_info["session"])
        seen = self._keeper.bait_seen(session)
        return web.json_response({"open": session in self._keeper.remote(), "seen": seen})

    async def _close(self, request: web.Request) -> web.Response:
        session = SessionId(request.match_info["session"])
        try:
            proof = Proof.model_validate_json(await request.read())
        except ValidationError:
            return wrong("the body holds no token")
        closed = await self._keeper.close_remote(session, proof.token)
        if closed:
            self._book.tell("token.ended", _peer(request), {"session": session})
        return web.json_response({"closed": closed})

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response({"sessions": self._keeper.remote()})


def _peer(request: web.Request) -> str:
    return request.remote or "?"
