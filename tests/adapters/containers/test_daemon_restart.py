"""The Docker engine is restarted in the middle of a session: on an engine of the test's own, beside the machine's."""

import asyncio
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from adapters.containers import spares
from adapters.containers.container import ContainerEngine
from adapters.containers.keeper import SpareKeeper, Wanted
from config.settings import Settings
from domain.errors import TransientError
from domain.ports import Handle
from domain.session import Limits
from tests.adapters.containers.conftest import SHELL, Bench, docker_engine, processes_with

__all__ = ["docker_engine"]

pytestmark = pytest.mark.docker
BRIDGE, ADDRESS = "tiercelt0", "10.213.77.1/24"  # without one of its own, it would take down the machine's


class Daemon:
    """A Docker engine whose folders, socket and bridge nobody else uses."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address = f"unix://{folder}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self._containerd = self._run(
            "containerd", f"--root={folder}/cd", f"--state={folder}/cds", f"--address={folder}/cd.sock"
        )

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def start(self, *options: str) -> None:
        """Returns when it answers."""
        named = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
        places = [f"--{option}={self._folder}/{name}" for option, name in named.items()]
        network = [f"--bridge={BRIDGE}", "--iptables=false", "--ip-forward=false", "--ip-masq=false"]
        places += [f"--host={self.address}", f"--containerd={self._folder}/cd.sock"]
        self._process = self._run("dockerd", *places, *network, *options)
        deadline = time.monotonic() + 60
        while self.docker("info").returncode != 0:
            assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, (self._folder / "log").read_text()[-2000:]
            time.sleep(0.1)

    def end(self, signum: signal.Signals) -> None:
        """End the engine itself; what it does with its containers is what is tested."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signum)
            self._process.wait(60)

    def close(self) -> None:
        """Take everything away that it made."""
        self.docker("rm", "--force", *self.docker("ps", "-aq").stdout.split())
        self.end(signal.SIGKILL)  # nothing is left that it could end gently
        self._containerd.terminate()
        self._containerd.wait(30)
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        for place in sorted((line.split()[4] for line in lines if f" {self._folder}/" in line), reverse=True):
            subprocess.run(["umount", place], check=False)

    def docker(self, *arguments: str, stdin: int | None = None) -> subprocess.CompletedProcess[str]:
        command = ["docker", "--host", self.address, *arguments]
        return subprocess.run(command, stdin=stdin, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def daemon(docker_engine: Settings) -> Iterator[Daemon]:
    if os.geteuid() != 0 or not shutil.which("dockerd"):
        pytest.skip("no Docker engine can be started here")
    folder = Path(f"/tmp/tiercel-dockerd-{uuid.uuid4().hex[:8]}")
    folder.mkdir(mode=0o700)
    subprocess.run(["ip", "link", "add", BRIDGE, "type", "bridge"], check=True)
    daemon = Daemon(folder)
    try:
        subprocess.run(["ip", "addr", "add", ADDRESS, "dev", BRIDGE], check=True)
        daemon.start()
        image = subprocess.Popen(["docker", "save", docker_engine.session_image], stdout=subprocess.PIPE)
        assert image.stdout is not None
        loaded = daemon.docker("load", stdin=image.stdout.fileno())
        assert (image.wait(), loaded.returncode) == (0, 0), loaded.stderr
        yield daemon
    finally:
        daemon.close()
        subprocess.run(["ip", "link", "del", BRIDGE], check=False)
        subprocess.Popen(["rm", "-rf", "--one-file-system", folder])  # an unpacked image takes long; nobody waits


@pytest.fixture
def boxed(daemon: Daemon, docker_engine: Settings, tmp_path: Path) -> Bench:
    sessions, installation = tmp_path / "sessions", str(uuid.uuid4())

    def make() -> ContainerEngine:
        return ContainerEngine(
            sessions, installation, docker_engine.session_image, SHELL, daemon.address, sweep_age_s=0.0
        )

    return Bench(make(), sessions, make)


async def _wanted() -> Wanted:
    return Wanted(limits=Limits())


async def _without_an_engine(bench: Bench, handle: Handle) -> None:
    """What a worker hears meanwhile: try again, never an end."""
    with pytest.raises(TransientError, match="does not answer"):
        await bench.make().exited(handle)
    with pytest.raises(TransientError, match="does not answer"):
        await bench.make().start_or_attach(bench.launch("exit 0"))


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
async def test_a_session_that_goes_down_with_its_engine_is_resumed_once(
    boxed: Bench, daemon: Daemon, signum: signal.Signals
) -> None:
    mark = f"60.{uuid.uuid4().int % 10**9}"
    launch = boxed.launch(f"echo effect >>done; cat done; sleep {mark}")
    handle = await boxed.engine.start_or_attach(launch)
    await boxed.until(handle, b"effect")
    keeper = SpareKeeper(cast("ContainerEngine", boxed.engine), boxed.sessions, 1, _wanted)
    assert await keeper.keep(1) == 1
    await asyncio.to_thread(daemon.end, signum)
    if signum == signal.SIGKILL:
        await _without_an_engine(boxed, handle)
    await asyncio.to_thread(daemon.start)
    state = await boxed.end(handle)
    assert state.reason == "lost", state
    assert processes_with(mark) == []
    again = await boxed.make().start_or_attach(launch)  # the same attempt: looked up, not run
    assert (again.identity, await boxed.engine.exited(again)) == (handle.identity, state)
    assert await boxed.output(again) == b"effect\n"
    resumed = launch.model_copy(update={"attempt": 2, "argv": ("-c", "cat done")})
    second = await boxed.engine.start_or_attach(resumed)
    assert (await boxed.end(second)).code == 0
    assert await boxed.output(second) == b"effect\n"
    assert [folder for folder in spares.all_of(boxed.sessions) if spares.waiting(folder)] == []
    fresh = boxed.launch("echo cold")
    assert (await boxed.end(await boxed.engine.start_or_attach(fresh))).code == 0
    await keeper.keep(0)
    assert spares.all_of(boxed.sessions) == []
    await boxed.make().sweep(frozenset())
    assert daemon.docker("ps", "-aq").stdout == ""


async def test_with_live_restore_a_session_does_not_notice(boxed: Bench, daemon: Daemon) -> None:
    await asyncio.to_thread(daemon.end, signal.SIGTERM)
    await asyncio.to_thread(daemon.start, "--live-restore")
    handle = await boxed.engine.start_or_attach(
        boxed.launch("echo one; while [ ! -e go ]; do sleep 0.1; done; echo two; exit 5")
    )
    await boxed.until(handle, b"one")
    await asyncio.to_thread(daemon.end, signal.SIGTERM)
    await _without_an_engine(boxed, handle)
    await asyncio.to_thread(daemon.start, "--live-restore")
    assert await boxed.engine.exited(handle) is None
    (handle.folder.work / "go").touch()
    state = await boxed.end(handle)
    assert (state.code, state.reason) == (5, "exited")
    assert await boxed.output(handle) == b"one\ntwo\n"


async def test_a_dead_workers_container_is_swept_and_a_foreign_one_never_touched(
    boxed: Bench, daemon: Daemon, tmp_path: Path, docker_engine: Settings
) -> None:
    orphan = await boxed.engine.start_or_attach(boxed.launch("sleep 60"))
    other = ContainerEngine(tmp_path / "other", str(uuid.uuid4()), docker_engine.session_image, SHELL, daemon.address)
    theirs = await other.start_or_attach(Bench(other, tmp_path / "other", lambda **_: other).launch("sleep 60"))
    plain = daemon.docker(
        "run", "-d", "--name", "tiercel-like", "--network", "none", docker_engine.session_image, "sleep", "60"
    ).stdout.strip()
    assert await boxed.make().sweep(frozenset()) == (orphan.session,)
    assert set(daemon.docker("ps", "-q", "--no-trunc").stdout.split()) == {theirs.identity, plain}
    assert await other.exited(theirs) is None
