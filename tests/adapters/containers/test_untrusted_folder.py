"""No session can write into its attempt's folder. If one ever could, what it leaves there leads the worker nowhere."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.containers import attempt, files, host
from adapters.containers.lease import LeaseKeeper
from domain.ids import SessionId
from domain.ports import Handle, SessionFolder

CANARY = "canary-of-the-host"


@pytest.fixture(name="handle")
def _handle(tmp_path: Path) -> Handle:
    folder = SessionFolder(root=tmp_path / "sessions" / "s1")
    folder.attempt(1).mkdir(parents=True)
    return Handle(session=SessionId("s1"), attempt=1, engine="container", identity="", folder=folder)


def _link(path: Path) -> None:
    secret = path.parents[3] / "secret"
    secret.write_text(json.dumps({"reason": "exited", "code": 0, "detail": CANARY}))
    path.symlink_to(secret)


def _socket(path: Path) -> None:
    os.mknod(path, 0o600 | 0o140000)


PLANTED = [_link, os.mkfifo, Path.mkdir, _socket]


@pytest.mark.parametrize("plant", PLANTED)
def test_a_planted_stream_is_neither_followed_nor_waited_for(handle: Handle, plant: Callable[[Path], None]) -> None:
    plant(handle.folder.attempt(1) / files.STREAM)
    assert attempt.read(handle, 0, 100) == b""


@pytest.mark.parametrize("plant", PLANTED)
def test_a_planted_record_is_neither_followed_nor_waited_for(handle: Handle, plant: Callable[[Path], None]) -> None:
    folder = handle.folder.attempt(1)
    for name in (files.EXIT, files.PROCESS, files.STDERR):
        plant(folder / name) if plant is not _link else _link_again(folder / name)
    assert attempt.ended(folder) is None
    assert attempt.started(folder) is None
    assert attempt.stderr_tail(folder) == ""
    assert attempt.record_end(folder, None, "lost", "").reason == "lost"


def _link_again(path: Path) -> None:
    path.parents[3].joinpath("secret").unlink(missing_ok=True)
    _link(path)


@pytest.mark.parametrize(
    "text", ["{", "[]", "null", '{"code": 0}', '{"reason": "won"}', "[" * 100_000, '{"reason": ["exited"]}', "\x00\xff"]
)
def test_a_record_that_we_did_not_write_is_no_record(handle: Handle, text: str) -> None:
    (handle.folder.attempt(1) / files.EXIT).write_text(text)
    assert attempt.ended(handle.folder.attempt(1)) is None


def test_a_huge_sparse_file_is_not_read_into_memory(handle: Handle) -> None:
    folder = handle.folder.attempt(1)
    for name in (files.EXIT, files.STREAM):
        (folder / name).touch()
        os.truncate(folder / name, 1 << 40)
    assert attempt.ended(folder) is None
    assert attempt.read(handle, attempt.MAX_STREAM_BYTES - 10, 1 << 20) == bytes(10)
    assert attempt.read(handle, attempt.MAX_STREAM_BYTES, 1 << 20) == b""
    assert attempt.read(handle, 1 << 39, 1 << 20) == b""


async def test_a_forged_process_record_ends_no_process_of_the_host(handle: Handle, tmp_path: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])  # noqa: ASYNC220  nothing else runs in this loop
    try:
        forged = {"runner": "x", "mode": "sandbox", "pid": bystander.pid, "start_time": files.start_time(bystander.pid)}
        folder = handle.folder.attempt(1)
        (folder / files.PROCESS).write_text(json.dumps(forged))
        assert await host.sweep(tmp_path / "sessions", frozenset(), 0.0) == ()
        host._signal(folder, signal.SIGKILL)
        assert bystander.poll() is None
        attempt.mark_on_host(folder)  # what only an engine can do: then the same record is believed
        await host.stop(handle, 0.0)
        assert bystander.wait(10) == -signal.SIGTERM
    finally:
        bystander.kill()
        bystander.wait()


def test_a_session_does_not_stay_young_by_touching_its_files(handle: Handle) -> None:
    folder = handle.folder.attempt(1)
    os.utime(folder.parent, (0, 0))
    (folder / files.LAUNCH).touch()
    os.utime(folder / files.LAUNCH, (1 << 33, 1 << 33))
    assert attempt.age_s(folder) > 1_000_000


def test_one_session_that_cannot_be_looked_at_does_not_end_the_others(
    handle: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("s0", "s2"):
        SessionFolder(root=tmp_path / "sessions" / name).attempt(1).mkdir(parents=True)
    keeper, seen = LeaseKeeper(), list[str]()
    look = attempt.renew_lease

    def renew(folder: SessionFolder) -> None:
        seen.append(folder.root.name)
        if folder.root == handle.folder.root:
            raise PermissionError(folder.root)
        look(folder)

    monkeypatch.setattr(attempt, "renew_lease", renew)
    assert keeper.renew(tmp_path / "sessions") == 2
    assert sorted(seen) == ["s0", "s1", "s2"]
