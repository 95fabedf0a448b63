"""The real Claude Code CLI behind both walls, with a scripted model and a small gateway behind the door."""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from adapters.containers.attempt import DOOR_URL
from adapters.containers.process import ProcessEngine
from claude import argv
from claude.managed import BUILT_IN_PLUGINS
from claude.result import Verdict, classify
from claude.stream import LineSplitter, StreamReader
from config.claude_cli import LOCKED_VERSION
from demo.model import Scenario
from domain.ports import Engine, ExitState, Handle, Launch, SessionFolder
from domain.session import Isolation, SessionStatus
from tests.adapters.containers.conftest import Bench
from tests.support import claude_cli

pytestmark = pytest.mark.cli

STEPS = [
    {"say": "I look.", "use": {"tool": "probe", "input": {"service": "local/web"}}},
    {"report": claude_cli.GOOD_REPORT},
]
REPORTS = Scenario.model_validate({"rules": [{"name": "only", "steps": STEPS}]})


def test_the_relay_has_the_address_that_the_command_line_names() -> None:
    assert argv.DOOR_URL == DOOR_URL


async def test_it_runs_behind_the_wall(bench: Bench) -> None:
    engine = bench.make(binary=claude_cli.binary().path)
    launch = bench.launch("").model_copy(update={"argv": ("--version",)})
    handle = await engine.start_or_attach(launch)
    state = await bench.end(handle)
    assert state.code == 0, state
    assert LOCKED_VERSION in (await bench.output(handle)).decode()


async def test_a_session_reaches_its_report_through_the_door_only(bench: Bench) -> None:
    engine = bench.make(binary=claude_cli.binary().path)
    folder = bench.launch("").folder
    async with claude_cli.bench(folder.root.parent, REPORTS) as world, at_socket(world.door, folder):
        plan = world.plan(session=folder.root.name, claude_config=folder.claude_config)
        verdict, _ = await finish(bench, await engine.start_or_attach(launch_of(plan, folder)))
        assert verdict.status is SessionStatus.COMPLETED, verdict
        assert world.door.tool_calls[0]["name"] == "probe"
        assert len(world.model.requests) >= 2


async def test_no_plugin_of_the_cli_runs_beside_a_session(bench: Bench) -> None:
    engine = bench.make(binary=claude_cli.binary().path)
    folder = bench.launch("").folder
    async with claude_cli.bench(folder.root.parent, REPORTS) as world, at_socket(world.door, folder):
        plan = world.plan(session=folder.root.name, claude_config=folder.claude_config)
        handle = await engine.start_or_attach(launch_of(plan, folder))
        await finish(bench, handle)
        begun = (await stream_of(bench, handle)).init
    assert begun is not None
    assert begun.plugins == ()
    assert not (folder.claude_config / "plugins").exists()


async def test_an_interrupted_session_is_resumed_by_the_next_attempt(bench: Bench) -> None:
    engine = bench.make(binary=claude_cli.binary().path)
    folder = bench.launch("").folder
    slow = Scenario.model_validate({"rules": [{"name": "only", "steps": [STEPS[0], {"delay_s": 30, **STEPS[1]}]}]})
    async with claude_cli.bench(folder.root.parent, slow) as world, at_socket(world.door, folder):
        plan = world.plan(session=folder.root.name, claude_config=folder.claude_config)
        handle = await engine.start_or_attach(launch_of(plan, folder))
        await bench.until(handle, b"probe was done")
        stopped = await engine.stop(handle)
        assert (stopped.code, stopped.reason) == (143, "stopped")
    async with claude_cli.bench(folder.root.parent, REPORTS) as world, at_socket(world.door, folder):
        plan = world.plan(
            session=folder.root.name,
            claude_config=folder.claude_config,
            attempt=2,
            resume="interrupted",
            prompt="go on",
        )
        verdict, _ = await finish(bench, await engine.start_or_attach(launch_of(plan, folder)))
        assert verdict.status is SessionStatus.COMPLETED, verdict


async def test_without_a_wall_the_door_has_another_address(tmp_path: Path) -> None:
    engine = ProcessEngine(tmp_path / "sessions", tmp_path / "cache", claude_cli.binary().path)
    engine._isolation = Isolation(engine="process", isolated=False, how="as if there were no bubblewrap")
    folder = SessionFolder(root=tmp_path / "sessions" / "0d4f8f9e-5a9c-4bb4-8f6c-0d0c3d0a0001")
    bench = Bench(engine, tmp_path / "sessions", _none)
    async with claude_cli.bench(tmp_path, REPORTS) as world, at_socket(world.door, folder):
        plan = world.plan(session=folder.root.name, claude_config=folder.claude_config)
        handle = await engine.start_or_attach(launch_of(plan, folder))
        verdict, _ = await finish(bench, handle)
        begun = (await stream_of(bench, handle)).init
    assert verdict.status is SessionStatus.COMPLETED, verdict
    assert begun is not None
    assert {name for name in begun.plugins if name in BUILT_IN_PLUGINS}  # what the managed settings turn off


def _none(**_: Any) -> Engine:
    raise AssertionError


def launch_of(plan: argv.SessionPlan, folder: SessionFolder) -> Launch:
    """As the session activity makes it."""
    built = argv.command(plan)
    return Launch(
        session=plan.session,
        attempt=plan.attempt,
        folder=folder,
        argv=built.argv,
        env=built.env,
        prompt=built.stdin,
        timeout_s=60,
    )


async def finish(bench: Bench, handle: Handle) -> tuple[Verdict, ExitState]:
    """The verdict over what is on disk."""
    ended = await bench.end(handle, within_s=50)
    reader = await stream_of(bench, handle)
    return classify(reader.result, ended, reader.init, reader.last_retry), ended


async def stream_of(bench: Bench, handle: Handle) -> StreamReader:
    """All that the session has written until now."""
    splitter, reader = LineSplitter(), StreamReader()
    for line in splitter.feed(await bench.output(handle)):
        reader.read(line)
    return reader


@asynccontextmanager
async def at_socket(door: claude_cli.Door, folder: SessionFolder) -> AsyncIterator[None]:
    """The same door at the session's own socket, whatever the length of its path."""
    folder.door.mkdir(parents=True, exist_ok=True)
    folder.socket.unlink(missing_ok=True)
    descriptor = os.open(folder.door, os.O_PATH)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"/proc/self/fd/{descriptor}/{folder.socket.name}")
    os.close(descriptor)
    folder.socket.chmod(0o666)
    runner = web.AppRunner(door.app(), access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    try:
        yield
    finally:
        await runner.cleanup()
