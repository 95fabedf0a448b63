"""The container engine of this node, through Docker's own client in threads."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

import docker
import requests
from docker.errors import APIError, DockerException, NotFound

from domain.errors import TransientError, UnknownOutcomeError
from domain.ids import LOCAL_NODE

T = TypeVar("T")
CALL_TIMEOUT_S = 20


class NotReachedError(TransientError):
    """The engine was not reached, so nothing was asked of it."""


class RefusedError(TransientError):
    """The engine answered with an error."""


class ContainerClient:
    """Calls the engine's API; made lazily, because the engine may come up later than we do."""

    def __init__(self, base_url: str = "") -> None:
        self._base_url = base_url
        self._api: Any = None
        self._lock = threading.Lock()

    def knows(self, node: str) -> bool:
        """Only this machine's engine is reached."""
        return node == LOCAL_NODE

    async def inspect(self, node: str, container: str) -> dict[str, Any] | None:
        """The engine's own JSON, or None where there is no such container. Raises TransientError."""
        if not self.knows(node):
            raise NotReachedError(f"no container engine is configured for node {node}")
        found: dict[str, Any] | None = await self.call(lambda api: api.inspect_container(container), missing=None)
        return found

    async def call(self, ask: Callable[[Any], T], *, missing: object = RefusedError) -> T:
        """A question without effect. `missing` is given back for 404. Raises TransientError."""
        try:
            return await asyncio.to_thread(lambda: ask(self._engine()))
        except NotFound as e:
            if missing is not RefusedError:
                return cast("T", missing)
            raise RefusedError(str(e.explanation or e)) from e
        except APIError as e:
            raise RefusedError(str(e.explanation or e)) from e
        except (DockerException, requests.RequestException, OSError) as e:
            raise NotReachedError(_no_engine(e)) from e

    async def act(self, order: Callable[[Any], T]) -> T:
        """An order, sent once. Raises NotReachedError (not sent), RefusedError, UnknownOutcomeError (no answer)."""
        try:
            api = await asyncio.to_thread(self._engine)
        except (DockerException, requests.RequestException, OSError) as e:
            raise NotReachedError(_no_engine(e)) from e
        try:
            return await asyncio.to_thread(lambda: order(api))
        except APIError as e:
            raise RefusedError(str(e.explanation or e)) from e
        except (DockerException, requests.RequestException, OSError) as e:
            raise UnknownOutcomeError(f"the container engine broke off before it answered ({e})") from e

    def close(self) -> None:
        """Let go of connections."""
        if self._api is not None:
            self._api.close()

    def _engine(self) -> Any:
        with self._lock:
            if self._api is None:
                # The version is asked for once here, so a dead engine is noticed before an order is sent.
                api: Any = docker.APIClient(  # pyright: ignore[reportPrivateImportUsage]
                    base_url=self._base_url or None, version="auto", timeout=CALL_TIMEOUT_S
                )
                self._api = api
            return self._api


def _no_engine(e: Exception) -> str:
    return f"the container engine does not answer ({str(e)[:200]}); start Docker or set TIERCEL_DOCKER_HOST"
