"""Asking a Docker engine from asyncio: one client, calls in threads, its faults as ours."""

import asyncio
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import docker
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from domain.errors import TransientError

P = ParamSpec("P")
T = TypeVar("T")

CALL_S = 60


class DockerHost:
    """The Docker engine at `address`; empty: the usual socket, or DOCKER_HOST."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._client: Any = None

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one blocking call. Raises TransientError where the engine does not answer or fails (5xx).

        An answer that refuses (4xx) is raised as it is: what it means depends on the question.
        """
        try:
            return await asyncio.to_thread(function, *args, **kwargs)
        except APIError as e:
            if e.is_client_error():
                raise
            raise TransientError(f"The Docker engine failed: {e.explanation or e}") from e
        except (DockerException, RequestException, OSError) as e:
            raise TransientError(
                f"The Docker engine does not answer ({e}); start it, or use TIERCEL_ENGINE=process"
            ) from e

    def client(self) -> Any:
        """The client; connects on first use. Blocking: call it inside `call` only."""
        if self._client is None:
            self._client = (
                docker.DockerClient(base_url=self.address, timeout=CALL_S)
                if self.address
                else docker.from_env(timeout=CALL_S)
            )
        return self._client

    async def info(self) -> dict[str, Any] | None:
        """What the engine says of itself; None where none answers."""
        try:
            return await self.call(lambda: dict(self.client().info()))
        except TransientError:
            return None
