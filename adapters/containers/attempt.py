"""One attempt on disk: what every engine prepares, reads and concludes in the same way."""

import base64
import contextlib
import os
import platform
import stat
import tempfile
import time
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from adapters.containers import files, rules, seccomp
from adapters.containers.output import MAX_STREAM_BYTES
from claude.managed import as_text
from domain.errors import TransientError
from domain.ids import SessionId
from domain.ports import EndReason, ExitState, Handle, Launch, SessionFolder

DOOR_PORT = 9000
DOOR_URL = f"http://127.0.0.1:{DOOR_PORT}"  # claude.argv.DOOR_URL, which tests/adapters/containers compares
LEASE_S = 12.0
SWEEP_AGE_S = 60.0  # a sweep's list of sessions is older than the sweep: what was started since is not an orphan
STDERR_TAIL_BYTES = 4096
_DOOR_MODE = 0o755
_SOCKET_MODE = 0o666
_CODE = Path(__file__).resolve().parents[2]

# The runner's imports come from the folder that holds ours; the standard library goes first.
RUNNER = "import sys; sys.path.append(sys.argv.pop(1)); from adapters.containers.runner import main; main(sys.argv[1])"
RUNNER_FLAGS = ("-I", "-S", "-c", RUNNER)
WAITING = RUNNER.replace("runner import main; main(sys.argv[1])", "waiting import main; main(*sys.argv[1:])")
WAITING_FLAGS = ("-I", "-S", "-c", WAITING)
RUNNER_PATH = str(_CODE)


def prepare(launch: Launch, uid: int) -> Path:
    """Make the folders of an attempt, its prompt and a fresh lease, for a session that runs as `uid`."""
    attempt = make_folders(launch.folder, launch.attempt, uid)
    _write_once(attempt / files.PROMPT, launch.prompt.encode())
    return attempt


def make_folders(folder: SessionFolder, number: int, uid: int) -> Path:
    """The folders of an attempt and a fresh lease; what the session may write belongs to `uid`."""
    folder.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    attempt = folder.attempt(number)
    for path in (folder.door, folder.claude_config, folder.work, attempt):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    renew_lease(folder)
    if os.geteuid() == 0:
        for path in (folder.claude_config, folder.work):
            give(path, uid)
    return attempt


def cannot_prepare(launch: Launch, error: OSError) -> TransientError:
    """What to tell where the session's folder cannot be written."""
    return TransientError(
        f"Session {launch.session} cannot be started: {error}; free space in {launch.folder.root.parent} or correct its permissions"
    )


def give(path: Path, uid: int) -> None:
    """Let `uid` own everything in `path`: a session may have run in another engine before. Links are not followed."""
    os.chown(path, uid, uid, follow_symlinks=False)
    for folder, folders, names in os.walk(path):
        for name in (*folders, *names):
            with contextlib.suppress(FileNotFoundError):  # somebody else's scratch file
                os.chown(Path(folder) / name, uid, uid, follow_symlinks=False)


def _write_once(path: Path, data: bytes) -> None:
    """Whole or not at all: somebody else may be starting the same attempt, and its runner may be reading."""
    fd, scratch = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as f:
            os.fchmod(fd, 0o644)  # a container's runner is another uid; the session's folder keeps everybody else out
            f.write(data)
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(scratch)
    finally:
        Path(scratch).unlink()


def renew_lease(folder: SessionFolder) -> None:
    """Tell the runner that somebody still wants this session. In place: a container has the file itself mounted."""
    path = folder.root / files.LEASE
    path.touch(mode=0o644)
    os.utime(path)


def open_socket(folder: SessionFolder) -> None:
    """Let another uid connect: a container's is not ours. The session's folder (0700) keeps everybody else out.

    Repeated with every renewal, because a restarted gateway makes a new socket.
    """
    for path, mode in ((folder.door, _DOOR_MODE), (folder.socket, _SOCKET_MODE)):
        try:
            if stat.S_IMODE(path.stat().st_mode) != mode:
                path.chmod(mode)
        except (FileNotFoundError, PermissionError):
            return


def spec(launch: Launch, mode: str, command: list[str], lease_s: float) -> dict[str, Any]:
    """What the runner is told; `command` is the whole command line as the runner executes it."""
    folder = launch.folder
    return {
        "runner": f"{launch.session}/{launch.attempt}",
        "mode": mode,
        "folder": str(folder.attempt(launch.attempt)),
        "lease": str(folder.root / files.LEASE),
        "lease_s": lease_s,
        "timeout_s": launch.timeout_s,
        "memory_mb": launch.limits.memory_mb,
        "pids": launch.limits.pids,
        "cpus": launch.limits.cpus,
        "disk_mb": launch.limits.disk_mb,
        "writable": [str(folder.work), str(folder.claude_config)],
        "seccomp": base64.b64encode(seccomp.program(platform.machine())).decode(),
        "command": command,
        "env": launch.env,
        "cwd": str(folder.work),
        "socket": str(folder.socket),
        "rules": rules.INSIDE if mode == "inside" else "",
        "rules_text": as_text(),
        "port": DOOR_PORT,
        "door_url": DOOR_URL,
    }


def started(folder: Path) -> dict[str, object] | None:
    """Who runs this attempt; None where it was never started."""
    return files.read_json(str(folder / files.PROCESS))


def mark_on_host(folder: Path) -> None:
    """Note that this attempt's processes are this machine's own."""
    _mark(folder).touch(mode=0o600)


def on_host(folder: Path) -> bool:
    """Whether the pids in process.json are this machine's. A container's pids mean nothing here."""
    return _mark(folder).exists()


def _mark(folder: Path) -> Path:
    return folder.parent.parent / f"on-host-{folder.name}"  # beside the folders that a session may see


def age_s(folder: Path) -> float:
    """Seconds since somebody began to start this attempt; endless where nobody knows."""
    try:
        # The folder above the attempt's own, in which a session in a container could make itself for ever young.
        return time.time() - folder.parent.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def ended(folder: Path) -> ExitState | None:
    """The recorded end."""
    raw = files.read_json(str(folder / files.EXIT))
    if raw is None:
        return None
    code, detail = raw.get("code"), str(raw.get("detail") or "").strip()
    tail = "\n".join(part for part in (stderr_tail(folder), detail) if part)
    told = {"reason": raw.get("reason"), "detail": detail, "stderr_tail": tail}
    try:
        return ExitState.model_validate({"code": code if isinstance(code, int) else None, **told})
    except ValidationError:  # no reason that we know
        return None


def ask_to_stop(folder: Path, grace_s: float, reason: EndReason) -> None:
    """Leave word for the runner to end the attempt, and why. What was asked first stays."""
    wish: dict[str, object] = {"grace_s": grace_s, "reason": reason}
    files.write_atomic(str(folder / files.STOP), wish, keep=True, durable=False)


def record_end(folder: Path, code: int | None, reason: EndReason, detail: str) -> ExitState:
    """Write down an end that the runner could not; the first record stays."""
    files.write_atomic(str(folder / files.EXIT), {"code": code, "reason": reason, "detail": detail}, keep=True)
    state = ended(folder)
    return state or ExitState(code=code, reason=reason, detail=detail, stderr_tail=detail)


def stderr_tail(folder: Path) -> str:
    """The last words of the command."""
    fd = files.open_plain(str(folder / files.STDERR))
    if fd is None:
        return ""
    try:
        begin = max(0, os.fstat(fd).st_size - STDERR_TAIL_BYTES)
        return os.pread(fd, STDERR_TAIL_BYTES, begin).decode(errors="replace").strip()
    finally:
        os.close(fd)


def read(handle: Handle, offset: int, limit: int) -> bytes:
    """Output from `offset`; empty where there is none yet."""
    fd = files.open_plain(str(handle.folder.attempt(handle.attempt) / files.STREAM))
    if fd is None:
        return b""
    try:
        return os.pread(fd, max(0, min(limit, MAX_STREAM_BYTES - offset)), offset)
    finally:
        os.close(fd)


def unfinished(sessions: Path) -> list[tuple[SessionId, int]]:
    """All attempts below `sessions` that were started and have no recorded end."""
    found: list[tuple[SessionId, int]] = []
    for process in sessions.glob(f"*/attempts/*/{files.PROCESS}"):
        attempt = process.parent
        if attempt.name.isdigit() and not (attempt / files.EXIT).exists():
            found.append((SessionId(attempt.parent.parent.name), int(attempt.name)))
    return found
