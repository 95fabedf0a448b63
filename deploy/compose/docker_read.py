#!/usr/bin/env python3
"""A Docker socket that can only look: `run/docker-read.sock` in the home folder, for the gateway.

The gateway holds the credential and talks to sessions, so it must not hold the power over the host as well.
Allowed is what it looks at: the list of containers, one container's state (values of its environment masked), its logs,
figures and processes; events; the list of images. Values of a container's own variables that look secret are taken out
of its logs, its processes and the rest of its state here: the gateway never learns them, so it cannot do it. Lists and
events do not tell those values; there, commands are shown without their arguments.
`--check` asks a running one whether the engine answers.
"""

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, cast

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, UnixConnector, web

from adapters.doors.paths import listen
from deploy.compose.start import DOCKER_SOCKET, give_up_root
from deploy.compose.surroundings import home
from gateway.docker_logs import LogLines
from policy.docker_view import happened, own_secrets, program_of
from policy.redaction import redacted, redactor
from worker.supervisor_probes import http_answers

SOCKET = home() / "run" / "docker-read.sock"
MASK = "***"
LOG_BYTES = 4 << 20  # of one answer, the newest
LOG_READ = 64 << 20  # that are read of the engine for it
LOG_S = 15.0
_OF_ONE = re.compile(r"(?P<container>/containers/[A-Za-z0-9][A-Za-z0-9_.-]*)/(?P<part>json|logs|top)")
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
            return _says(403, "refused: this socket can only look")
        one = _OF_ONE.fullmatch(path)
        try:
            if one is not None and request.method == "GET":
                return await self._of_one(request, raw, raw.removesuffix(path) + one["container"], one["part"])
            if path == "/containers/json" and request.method == "GET":
                return await self._listed(request, raw)
            return await self._passed(request, raw, without_arguments if path == "/events" else None)
        except TimeoutError:
            return _says(503, f"the Docker engine took longer than {LOG_S:g} s; ask for less")
        except (ClientError, OSError, ValueError) as e:
            return _says(503, f"the Docker engine does not answer: {e}")

    async def _of_one(self, request: web.Request, raw: str, container: str, part: str) -> web.StreamResponse:
        """What one container says or shows, without the values of its own secret variables."""
        async with self._engine.get(f"http://docker{container}/json") as answer:
            if answer.status != 200:
                return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")
            found: dict[str, Any] = json.loads(await answer.read())
        redact = redactor(own_secrets(found))
        if part == "json":
            return web.json_response(redacted(masked(found), redact))
        async with (
            asyncio.timeout(LOG_S),
            self._engine.get(f"http://docker{raw}", params=request.query) as answer,
        ):
            if answer.status != 200:
                return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")
            if part == "top":
                return web.json_response(redacted(json.loads(await answer.read()), redact))
            if request.query.get("follow", "").lower() in {"1", "true"}:
                return _says(403, "refused: logs cannot be followed here")
            tty = bool(cast("dict[str, Any]", found.get("Config") or {}).get("Tty"))
            stamped = request.query.get("timestamps", "").lower() in {"1", "true"}
            lines = LogLines(redact, tty=tty, stamped=stamped, limit=LOG_BYTES)
            left = LOG_READ
            async for piece in answer.content.iter_any():
                lines.feed(piece)
                left -= len(piece)
                if left < 0:
                    break
            return web.Response(body=framed(lines.end(), tty=tty), headers=_kept(answer.headers))

    async def _listed(self, request: web.Request, raw: str) -> web.Response:
        """The list, with the programs of the containers, and no argument of theirs."""
        async with self._engine.get(f"http://docker{raw}", params=request.query) as answer:
            if answer.status != 200:
                return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")
            rows: list[dict[str, Any]] = json.loads(await answer.read())
        return web.json_response([{**row, "Command": program_of(str(row.get("Command", "")))} for row in rows])

    async def _passed(
        self, request: web.Request, raw: str, change: Callable[[bytes], bytes] | None = None
    ) -> web.StreamResponse:
        """As the engine says it. `change`: what becomes of each line."""
        async with self._engine.request(request.method, f"http://docker{raw}", params=request.query) as answer:
            response = web.StreamResponse(status=answer.status, headers=_kept(answer.headers))
            await response.prepare(request)
            begun = b""
            with contextlib.suppress(ConnectionError):  # the reader has seen enough
                async for part in answer.content.iter_any():
                    if change is None or answer.status != 200:
                        await response.write(part)
                        continue
                    *lines, begun = (begun + part).split(b"\n")
                    await response.write(b"".join(change(line) for line in lines))
            return response


def without_arguments(line: bytes) -> bytes:
    """An event as it is, but for the arguments of commands that were run inside a container."""
    if not line.strip():
        return b""
    event: dict[str, Any] = json.loads(line)
    told = {key: happened(str(event[key])) for key in ("Action", "status") if key in event}
    return json.dumps({**event, **told}).encode() + b"\n"


def framed(lines: list[tuple[int, str]], *, tty: bool) -> bytes:
    """Log lines as the engine sends them: each in a frame of its stream, or as they are for a terminal."""
    said = [(stream, f"{line}\n".encode("utf-8", "replace")) for stream, line in lines]
    if tty:
        return b"".join(line for _, line in said)
    return b"".join(bytes((stream, 0, 0, 0)) + len(line).to_bytes(4, "big") + line for stream, line in said)


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in _KEPT if name in headers}


def _says(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)


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
