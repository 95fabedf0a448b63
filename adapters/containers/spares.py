"""Spares on disk: runners that wait for a session, each in a folder like a session's own.

Whoever renames a spare's attempt folder into a session's has taken it: the kernel lets one win, and what was renamed
says itself which spare it is. So two sessions never get one spare, and a start that was interrupted finds its own.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapters.containers import attempt, files
from domain.base import Value
from domain.ids import SessionId
from domain.ports import Launch, SessionFolder

PREFIX = "spare-"
TAKEN = "taken.json"  # in the spare's folder: {session, attempt} that has it
MAX_AGE_S = 3600.0
TAKING_S = 30.0  # whoever takes one has said so by then
_PIPE_MODE = 0o666  # a container's runner may be nobody to us; the session's folder keeps everybody else out
_NOT_WAITING = (errno.ENXIO, errno.ENOENT, errno.EPIPE)
_MOVES = 5


class Spare(Value):
    """One spare. `key`: what it was made like; `identity`: the container's id, or ""."""

    name: str
    key: str
    identity: str = ""


def key_of(told: dict[str, Any], code: Path) -> str:
    """A name for everything that a spare was made like: `told` and the runner's own program."""
    program = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(code.glob("*.py"))]
    return hashlib.sha256(json.dumps([told, program], sort_keys=True, default=str).encode()).hexdigest()[:32]


def folder_of(sessions: Path, name: str) -> SessionFolder:
    """Where a spare lives."""
    return SessionFolder(root=sessions / name)


def make(sessions: Path, name: str, uid: int) -> SessionFolder:
    """The folder of a new spare, with the pipe at which its runner will wait."""
    folder = folder_of(sessions, name)
    place = attempt.make_folders(folder, 1, uid)
    attempt.open_socket(folder)
    os.mkfifo(place / files.GO)
    (place / files.GO).chmod(_PIPE_MODE)
    return folder


def sign(folder: SessionFolder, spare: Spare) -> None:
    """From here on it can be taken, as soon as its runner waits."""
    files.write_atomic(str(folder.attempt(1) / files.SPARE), spare.model_dump(), durable=False)


def all_of(sessions: Path) -> list[SessionFolder]:
    """Folders of spares, taken ones too."""
    found = sorted(p for p in sessions.glob(f"{PREFIX}*") if p.is_dir() and not p.is_symlink())
    return [SessionFolder(root=p) for p in found]


def age_s(folder: SessionFolder) -> float:
    """Seconds since it was made, taken or dismissed; endless where nobody knows."""
    return attempt.age_s(folder.attempt(1))


def waiting(folder: SessionFolder) -> Spare | None:
    """The spare, if its runner waits at this moment."""
    place = folder.attempt(1)
    pipe = _pipe(place)
    if pipe is None:
        return None
    os.close(pipe)
    return read(place)


def waited(folder: SessionFolder) -> bool:
    """Whether a new one has come to wait: it does, or a session has taken it since."""
    return waiting(folder) is not None or not folder.attempt(1).exists()


def read(place: Path) -> Spare | None:
    """Which spare the attempt in `place` was given; None where it was started cold."""
    raw = files.read_json(str(place / files.SPARE))
    return Spare.model_validate(raw) if raw else None


def taken(folder: SessionFolder) -> tuple[SessionId, int] | None:
    """The session and attempt that has it."""
    raw = files.read_json(str(folder.root / TAKEN))
    return (SessionId(str(raw["session"])), int(str(raw["attempt"]))) if raw else None


def take(sessions: Path, launch: Launch, key: str) -> bool:
    """Give a waiting spare of this key to `launch`. False: there is none, or the attempt was begun already."""
    place = launch.folder.attempt(launch.attempt)
    if place.exists() or launch.folder.root.parent != sessions:
        return False
    for folder in all_of(sessions):
        spare = waiting(folder)
        if spare is None or spare.key != key:
            continue
        for path in (launch.folder.root, place.parent):  # one by one: parents that are made along are open to others
            path.mkdir(mode=0o700, exist_ok=True)
        try:
            folder.attempt(1).rename(place)
        except FileNotFoundError:
            continue  # somebody else was faster
        except OSError:
            return False  # somebody else began this attempt, or it lies on another disk
        return True
    return False


def move_in(sessions: Path, launch: Launch, spare: Spare) -> None:
    """Make the folders that the spare sees the session's own. Safe to repeat, and beside somebody who does the same."""
    theirs, ours = folder_of(sessions, spare.name), launch.folder
    with contextlib.suppress(FileNotFoundError):
        owner: dict[str, object] = {"session": launch.session, "attempt": launch.attempt}
        files.write_atomic(str(theirs.root / TAKEN), owner, durable=False)
    for source, target in (
        (theirs.door, ours.door),
        (theirs.claude_config, ours.claude_config),
        (theirs.work, ours.work),
    ):
        _put(source, target)
    scratch = ours.root / f"{files.LEASE}.{os.urandom(4).hex()}"
    with contextlib.suppress(FileNotFoundError):  # the spare's folder is gone: this was done long ago
        scratch.hardlink_to(theirs.root / files.LEASE)  # a container has the file itself mounted
        scratch.replace(ours.root / files.LEASE)


def _put(source: Path, target: Path) -> None:
    """`source` in the place of `target`, with what was in `target`."""
    for _ in range(_MOVES):
        try:
            source.rename(target)
        except FileNotFoundError:
            return  # it is there already
        except OSError as e:
            if e.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
        else:
            return
        for entry in list(target.iterdir()):
            with contextlib.suppress(FileNotFoundError):
                entry.rename(source / entry.name)
    raise OSError(errno.EBUSY, "somebody else goes on writing", str(target))


def wake(place: Path, message: str) -> bool:
    """Tell the runner that waits in `place`; False where none does. Telling it twice is harmless."""
    pipe = _pipe(place)
    if pipe is None:
        return False
    try:
        os.write(pipe, f"{message}\n".encode())
    except BrokenPipeError:
        return False
    finally:
        os.close(pipe)
    return True


def _pipe(place: Path) -> int | None:
    try:
        return os.open(place / files.GO, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as e:
        if e.errno in _NOT_WAITING:
            return None
        raise


def forget(place: Path) -> None:
    """The spare in `place` is dead: the attempt is started cold instead."""
    (place / files.SPARE).unlink(missing_ok=True)
    (place / files.GO).unlink(missing_ok=True)


def dismiss(folder: SessionFolder) -> bool:
    """End a spare that nobody has: out of everybody's reach first. False where somebody took it meanwhile."""
    away = folder.root / "dismissed"
    try:
        folder.attempt(1).rename(away)
    except FileNotFoundError:
        # Whoever took it a moment ago has not said so yet, and everything of its session's still lies here.
        if taken(folder) or (not away.exists() and age_s(folder) <= TAKING_S):
            return False
    except OSError:
        pass  # dismissed before, by somebody who was interrupted
    wake(away, "")
    return True


def remove(folder: SessionFolder) -> None:
    """Take its folder away."""
    shutil.rmtree(folder.root, ignore_errors=True)


def is_spare(name: str) -> bool:
    """Whether a session's name is a spare's."""
    return name.startswith(PREFIX)


@contextlib.contextmanager
def alone(sessions: Path) -> Iterator[bool]:
    """Whether nobody else of this installation looks after the spares now."""
    import fcntl

    sessions.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(sessions / ".spares", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(lock)
