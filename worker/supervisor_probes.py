"""Readiness by asking the process itself, not by waiting or by seeing a port."""

import asyncio
import contextlib
import re
from datetime import timedelta
from pathlib import Path

import aiohttp
import psycopg
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from adapters.doors.paths import reachable
from config import temporal
from config.settings import Settings

ASK_TIMEOUT_S = 5.0


async def postgres_answers(url: str) -> bool:
    """`SELECT 1`."""
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
                await connection.execute("SELECT 1")
    except (psycopg.Error, TimeoutError):
        return False
    return True


async def http_answers(address: str, *, socket: Path | None = None) -> bool:
    """`GET` with status 200, over TCP or a Unix socket."""
    try:
        with reachable(socket) if socket is not None else contextlib.nullcontext("") as path:
            connector = aiohttp.UnixConnector(path) if path else None
            async with (
                aiohttp.ClientSession(
                    connector=connector, timeout=aiohttp.ClientTimeout(total=ASK_TIMEOUT_S)
                ) as session,
                session.get(address) as response,
            ):
                return response.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


class TemporalProbe:
    """Asks one Temporal server; keeps its connection between questions."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client | None = None

    async def answers(self) -> bool:
        """The server's own health call."""
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                client = await self._connected()
                return await client.service_client.check_health(timeout=timedelta(seconds=ASK_TIMEOUT_S))
        except (RPCError, RuntimeError, TimeoutError):
            return False

    async def polled_by(self, pid: int, queue: str, *, activities: bool = False) -> bool:
        """Whether that process takes work from the queue: workflows, or activities."""
        of = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY if activities else TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
        request = DescribeTaskQueueRequest(
            namespace=self._settings.temporal_namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=of,
        )
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                client = await self._connected()
                answer = await client.workflow_service.describe_task_queue(request)
        except (RPCError, RuntimeError, TimeoutError):
            return False
        return any(re.match(rf"{pid}@", poller.identity) for poller in answer.pollers)

    async def _connected(self) -> Client:
        if self._client is None:
            self._client = await Client.connect(
                temporal.address(self._settings),
                namespace=self._settings.temporal_namespace,
                connect_timeout=timedelta(seconds=ASK_TIMEOUT_S),
                runtime=temporal.runtime(),
            )
        return self._client
