"""A real Temporal dev server per test: in memory, on loopback, with our search attributes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from config.ports import free_ports
from domain.engine import SEARCH_ATTRIBUTES
from tests.support.temporal_binary import binary


async def connect(address: str) -> Client:
    """Wait until the server answers."""
    for _ in range(100):
        try:
            return await Client.connect(address, data_converter=pydantic_data_converter)
        except RuntimeError:
            await asyncio.sleep(0.1)
    raise TimeoutError(f"no Temporal server at {address}")


@asynccontextmanager
async def dev_server(db_file: Path | None = None, port: int | None = None) -> AsyncGenerator[tuple[Client, str], None]:
    """Yields a client and the address. Stopped by its pid at the end."""
    port = port or free_ports(1)[0]
    argv = [
        str(await asyncio.to_thread(binary)),
        "server",
        "start-dev",
        "--headless",
        "--ip",
        "127.0.0.1",
        "--port",
        str(port),
        "--log-level",
        "error",
    ]
    for name, kind in SEARCH_ATTRIBUTES.items():
        argv += ["--search-attribute", f"{name}={kind}"]
    if db_file:
        argv += ["--db-filename", str(db_file)]
    server = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield await connect(f"127.0.0.1:{port}"), f"127.0.0.1:{port}"
    finally:
        if server.returncode is None:
            server.kill()
        await server.wait()
