"""Who runs `up` on this home, and where its servers are: `run/up.lock` and `run/endpoints.json`."""

import fcntl
import json
import os
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from config import processes
from domain.base import Value
from domain.errors import ConfigurationError


class Endpoints(Value):
    """Addresses of a running Tiercel. The file exists only while everything has been ready at least once."""

    database_url: str
    temporal_address: str
    temporal_ui: str
    web_url: str
    scripted: bool
    pid: int


def read(home: Path) -> Endpoints | None:
    """The addresses of the Tiercel that runs on this home; None where none runs (or none is ready yet)."""
    if not _held(home):
        return None
    try:
        return Endpoints.model_validate_json(_file(home).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def write(home: Path, endpoints: Endpoints) -> None:
    """Publish the addresses in one step: a reader sees all of them or none."""
    fresh = _file(home).with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(endpoints.model_dump(), indent=2) + "\n", encoding="utf-8")
    fresh.chmod(0o600)
    fresh.replace(_file(home))


def remove(home: Path) -> None:
    """Nobody runs here any more."""
    _file(home).unlink(missing_ok=True)


class UpLock:
    """Only one `up` per home. The kernel frees it with its holder, however that one dies."""

    def __init__(self, home: Path) -> None:
        self._path = _lock_file(home)
        self._fd = -1

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.pread(fd, 20, 0).decode(errors="replace").strip()
            os.close(fd)
            who = processes.describe(int(text)) if text.isdigit() else "another process"
            raise ConfigurationError(
                f"Tiercel already runs on {self._path.parents[1]}: {who}; stop it, or set TIERCEL_HOME to another folder"
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        self._fd = fd
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def _held(home: Path) -> bool:
    try:
        fd = os.open(_lock_file(home), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _file(home: Path) -> Path:
    return home / "run" / "endpoints.json"


def _lock_file(home: Path) -> Path:
    return home / "run" / "up.lock"
