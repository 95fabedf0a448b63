"""Read-only connections to the container engine of this node, kept open: one pool for all doors and tools.

Only GET is ever sent, and only what policy/docker_read.py writes. Answers are read within bounds of size and time.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from domain.errors import TransientError

DEFAULT_SOCKET = "/var/run/docker.sock"
ANSWER_S = 10.0
MAX_ANSWER = 8 << 20
_POOL = 16


class EngineAwayError(TransientError):
    """The engine was not reached, or broke off."""


class EngineSaysNoError(TransientError):
    """The engine answered with an error. `status` is its own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class DockerEngine:
    """`docker_host`: as TIERCEL_DOCKER_HOST; empty is the usual socket. Connections are made when first needed."""

    def __init__(self, docker_host: str = "") -> None:
        scheme, _, place = (docker_host or f"unix://{DEFAULT_SOCKET}").partition("://")
        self._socket = Path(place) if scheme == "unix" else None
        self._base = "http://docker" if scheme == "unix" else f"{'https' if scheme == 'https' else 'http'}://{place}"
        self._http: aiohttp.ClientSession | None = None

    def there(self) -> bool:
        """Whether there is something to connect to. Says nothing about whether it answers."""
        return self._socket is None or self._socket.exists()

    async def json(self, path: str, limit: int = MAX_ANSWER, timeout_s: float = ANSWER_S) -> Any:
        """Raises EngineAwayError or EngineSaysNoError."""
        async with self.stream(path, timeout_s) as answer:
            body = bytearray()
            async for part in answer.content.iter_any():
                body += part
                if len(body) > limit:
                    raise EngineAwayError(f"the engine's answer is over {limit} bytes")
        try:
            return json.loads(body)
        except ValueError as e:
            raise EngineAwayError("the engine's answer is no JSON") from e

    @asynccontextmanager
    async def stream(self, path: str, timeout_s: float = ANSWER_S) -> AsyncGenerator[aiohttp.ClientResponse]:
        """The answer of a GET, its status already judged. Raises EngineAwayError or EngineSaysNoError."""
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=5)
        try:
            async with self._session().get(f"{self._base}{path}", timeout=timeout, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise EngineSaysNoError(answer.status, await _message(answer))
                yield answer
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            words = "in time" if isinstance(e, TimeoutError) else f"({type(e).__name__})"
            raise EngineAwayError(
                f"the container engine does not answer {words}; start Docker or set TIERCEL_DOCKER_HOST"
            ) from e

    async def close(self) -> None:
        """Give the connections back."""
        if self._http is not None:
            await self._http.close()
            await asyncio.sleep(0)

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            connector: aiohttp.BaseConnector = (
                aiohttp.UnixConnector(str(self._socket), limit=_POOL, keepalive_timeout=30)
                if self._socket
                else aiohttp.TCPConnector(limit=_POOL, keepalive_timeout=30)
            )
            self._http = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, read_bufsize=1 << 18
            )
        return self._http


async def _message(answer: aiohttp.ClientResponse) -> str:
    raw = await answer.content.read(4_000)
    try:
        found: Any = json.loads(raw)
        return str(found["message"])[:500]
    except (ValueError, KeyError, TypeError):
        return f"the engine answered {answer.status}"
