"""`python -m web` as the supervisor runs it: configured by environment, honest at the start, quick at the end."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import aiohttp

from config.ports import free_ports

ROOT = Path(__file__).parents[2]


async def start(home: Path, **environ: str) -> asyncio.subprocess.Process:
    env = {
        "PATH": os.environ["PATH"],
        "TIERCEL_HOME": str(home),
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "TIERCEL_WEB_LOGIN": "false",
        **environ,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "web", cwd=ROOT, env=env, stderr=asyncio.subprocess.PIPE
    )


async def answer(url: str) -> dict[str, object]:
    async with aiohttp.ClientSession() as web:
        for _ in range(200):
            try:
                async with web.get(url) as response:
                    return await response.json()
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)
    raise AssertionError(f"{url} never answered")


async def test_it_serves_and_ends_quickly_although_a_stream_is_open(database_url: str, tmp_path: Path):
    port = free_ports(1)[0]
    process = await start(tmp_path, DATABASE_URL=database_url, TIERCEL_WEB_PORT=str(port))
    try:
        health = await answer(f"http://127.0.0.1:{port}/healthz")
        assert health["record"] is True
        assert health["engine"] is False
        async with aiohttp.ClientSession() as web, web.get(f"http://127.0.0.1:{port}/stream?topics=incident") as stream:
            assert b"hello" in await stream.content.readline()
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            rest = (await stream.content.read()).decode()
            code = await asyncio.wait_for(process.wait(), 10)
        assert "event: closing" in rest
        assert code in {0, -signal.SIGTERM}
        assert time.monotonic() - began < 10
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_an_old_record_stops_the_start_with_the_command_that_fixes_it(empty_database_url: str, tmp_path: Path):
    process = await start(tmp_path, DATABASE_URL=empty_database_url, TIERCEL_WEB_PORT=str(free_ports(1)[0]))
    assert process.stderr is not None
    said = (await asyncio.wait_for(process.stderr.read(), 20)).decode()
    assert await process.wait() == 1
    assert "tiercel db migrate" in said
    assert "Traceback" not in said


async def test_a_missing_address_of_the_record_is_one_line(tmp_path: Path):
    process = await start(tmp_path)
    assert process.stderr is not None
    said = (await asyncio.wait_for(process.stderr.read(), 20)).decode()
    assert await process.wait() == 1
    assert said.count("\n") == 1
    assert "DATABASE_URL" in said
