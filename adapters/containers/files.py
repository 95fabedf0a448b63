"""The files by which a runner and its engines talk, and the identity of a process. Standard library only."""

# pathlib costs more time than everything that happens here before the first model request.
# ruff: noqa: PTH105, PTH108, PTH123, PTH208

import errno
import json
import os
import stat

PROCESS = "process.json"  # {pid, start_time, runner, inner}: who runs this attempt; its presence means "was started"
EXIT = "exit.json"  # {code, reason, detail}: the end; written after the last byte of output
STOP = "stop.json"  # {grace_s, reason}: somebody wants it to end
LAUNCH = "launch.json"  # what the runner was told to do
LOCK = "runner.lock"  # held as long as a runner lives
STREAM = "stream.jsonl"
STDERR = "stderr.log"
PROMPT = "prompt.txt"
RUNNER_LOG = "runner.log"

GO = "go"  # the pipe at which a spare runner waits for the path of its launch.json
SPARE = "spare.json"  # {name, key, identity}: the spare that this attempt was given

LEASE = "lease"  # in the session's folder: its time of change is the last sign of life of a worker


MAX_JSON_BYTES = 1 << 20
_NOT_PLAIN = (errno.ENOENT, errno.ELOOP, errno.ENXIO)  # missing, a link, a socket


def open_plain(path: str) -> int | None:
    """A descriptor of a plain file; None for anything else.

    If a session could ever write into its attempt's folder, a link there would lead to any file of the host, and
    a FIFO would hold its reader for ever.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as e:
        if e.errno in _NOT_PLAIN:
            return None
        raise
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def write_atomic(path: str, value: dict[str, object], *, keep: bool = False, durable: bool = True) -> bool:
    """Write JSON so that a reader sees all or nothing; `durable`: also after a power cut.

    `keep`: never replace what is there; False where something is.
    """
    scratch = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    fd = os.open(
        scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644
    )  # a container reads it as another uid
    try:
        os.write(fd, json.dumps(value).encode())
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)
    if not keep:
        os.replace(scratch, path)
        return True
    try:
        os.link(scratch, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(scratch)
    return True


def read_json(path: str) -> dict[str, object] | None:
    """The object in `path`; None where there is none, or none that we wrote."""
    fd = open_plain(path)
    if fd is None:
        return None
    with open(fd, "rb") as f:
        text = f.read(MAX_JSON_BYTES + 1)
    if len(text) > MAX_JSON_BYTES:
        return None
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError, RecursionError):
        return None


def start_time(pid: int) -> str | None:
    """When `pid` was started, in clock ticks since boot; None where it is gone or only waits to be reaped.

    Together with the pid it names one process: pids are used again, the pair is not.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            fields = f.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in (b"Z", b"X") else fields[19].decode()


def children(pid: int) -> list[int]:
    """The direct children of `pid`, whichever of its threads started them."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as f:
                found += [int(child) for child in f.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return found
    return found


def descendants(pid: int) -> list[int]:
    """Everything below `pid`, parents first."""
    found: list[int] = []
    todo = [pid]
    while todo:
        below = children(todo.pop())
        found += below
        todo += below
    return found


def everybody_but_us() -> list[int]:
    """All processes that can be seen, without this one: in a container, the session's."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
