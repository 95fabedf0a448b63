#!/usr/bin/env python3
"""A Docker socket that can only look: `run/docker-read.sock` in the home folder, for the gateway.

The gateway holds the credential and talks to sessions, so it must not hold the power over the host as well.
Allowed is what it looks at: the list of containers, one container's state (values of its environment masked), its logs,
figures and processes; events; the list of images.
`--check` asks a running one whether the engine answers.
"""

import asyncio
import contextlib
import json
import re
import sys

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, UnixConnector, web

from adapters.doors.paths import listen
from deploy.compose.start import DOCKER_SOCKET, give_up_root
from deploy.compose.surroundings import home
from worker.supervisor_probes import http_answers

SOCKET = home() / "run" / "docker-read.sock"
MASK = "***"
_INSPECT = re.compile(r"/containers/[A-Za-z0-9][A-Za-z0-9_.-]*/json")
_ALLOWED = re.compile(
    r"/(_ping|version|info|events|images/json|containers/json|containers/[A-Za-z0-9][A-Za-z0-9_.-]*/(json|logs|stats|top))"
)
_COLUMNS = {"", "-ef", "aux"}  # others of `ps` show a process's environment
_VERSION = re.compile(r"^/v1\.\d+(?=/)")
_KEPT = ("Content-Type", "Api-Version", "Docker-Experimental", "Ostype")


def masked(found: dict[str, object]) -> dict[str, object]:
    """A container's state without the values of its environment: they hold other services' passwords."""
    config = found.get("Config")
    if isinstance(config, dict) and isinstance(config.get("Env"), list):
        config["Env"] = [f"{str(line).partition('=')[0]}={MASK}" for line in config["Env"]]
    return found


class Window:
    """Forwards what may be seen, refuses everything else."""

    def __init__(self, engine: ClientSession) -> None:
        self._engine = engine

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request. The path is judged as it was sent: nothing is decoded or put together before."""
        raw = request.rel_url.raw_path
        path = _VERSION.sub("", raw)
        if (
            request.method not in {"GET", "HEAD"}
            or not _ALLOWED.fullmatch(path)
            or path.endswith("..")
            or "/../" in path
            or request.query.get("ps_args", "") not in _COLUMNS
        ):
            return web.json_response({"message": "refused: this socket can only look"}, status=403)
        try:
            async with self._engine.request(request.method, f"http://docker{raw}", params=request.query) as answer:
                if _INSPECT.fullmatch(path) and answer.status == 200 and request.method == "GET":
                    return web.json_response(masked(json.loads(await answer.read())))
                kept = {name: answer.headers[name] for name in _KEPT if name in answer.headers}
                response = web.StreamResponse(status=answer.status, headers=kept)
                await response.prepare(request)
                with contextlib.suppress(ConnectionError):  # the reader has seen enough
                    async for part in answer.content.iter_any():
                        await response.write(part)
                return response
        except (ClientError, OSError) as e:
            return web.json_response({"message": f"the Docker engine does not answer: {e}"}, status=503)


async def serve() -> None:
    """Until the container is stopped."""
    SOCKET.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    connector = UnixConnector(str(DOCKER_SOCKET))
    timeout = ClientTimeout(total=None, sock_connect=5)
    async with ClientSession(connector=connector, timeout=timeout, cookie_jar=DummyCookieJar()) as engine:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", Window(engine).handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.SockSite(runner, listen(SOCKET, 0o600)).start()
        print(f"looking through {SOCKET}")
        await asyncio.Event().wait()


if __name__ == "__main__":
    give_up_root()
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if asyncio.run(http_answers("http://docker/_ping", socket=SOCKET)) else 1)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())
