"""Starting the command of a session: under bubblewrap, or as a plain child. Standard library only."""

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from adapters.containers import files

_MAX_FILE_BYTES = 2 << 30
_MAX_OPEN_FILES = 4096


class Spec:
    """What a runner is told (launch.json). `mode`: sandbox (bubblewrap), open (no wall), inside (in a container)."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.runner = str(raw["runner"])
        self.mode = str(raw["mode"])
        self.folder = str(raw["folder"])
        self.lease = str(raw["lease"])
        self.lease_s = float(raw["lease_s"])
        self.timeout_s = float(raw["timeout_s"])
        self.memory_bytes = int(raw["memory_mb"]) << 20
        self.pids = int(raw["pids"])
        self.command = [str(part) for part in raw["command"]]
        self.env = {str(name): str(value) for name, value in raw["env"].items()}
        self.cwd = str(raw["cwd"])
        self.socket = str(raw["socket"])
        self.port = int(raw["port"])
        self.door_url = str(raw["door_url"])
        self.bwrap = str(raw.get("bwrap", ""))
        self.bwrap_args = [str(part) for part in raw.get("bwrap_args", ())]

    def path(self, name: str) -> str:
        """A file of this attempt."""
        return f"{self.folder}/{name}"


class Spawned:
    """`pid` is our child; `inner` is the first process of the sandbox, None where there is no sandbox."""

    def __init__(self, pid: int, inner: int | None) -> None:
        self.pid = pid
        self.inner = inner


def spawn(spec: Spec) -> Spawned:
    """Start the command with its stdin, stdout and stderr on the attempt's files.

    Raises RuntimeError with bubblewrap's own words where the sandbox could not be made.
    """
    if spec.mode != "sandbox":
        return Spawned(_fork(spec, lambda: _exec_plain(spec)), None)
    args = os.memfd_create("bwrap-args", 0)
    # Arguments by descriptor: the first process of the sandbox shows its command line to everything inside.
    os.write(args, b"".join(arg.encode() + b"\0" for arg in spec.bwrap_args))
    os.lseek(args, 0, os.SEEK_SET)
    status, status_end = os.pipe()
    os.set_inheritable(status_end, True)
    options = [spec.bwrap, "--args", str(args), "--json-status-fd", str(status_end), "--", *spec.command]
    pid = _fork(spec, lambda: os.execve(spec.bwrap, options, {}))  # noqa: S606  a shell would be one more reader of the arguments
    os.close(args)
    os.close(status_end)
    return Spawned(pid, _inner_pid(status))


def _inner_pid(status: int) -> int:
    data = b""
    while b"\n" not in data:
        part = os.read(status, 4096)
        if not part:
            raise RuntimeError("the sandbox could not be made")
        data += part
    return int(json.loads(data.partition(b"\n")[0])["child-pid"])


def _fork(spec: Spec, run: Callable[[], object]) -> int:
    stdin = os.open(spec.path(files.PROMPT), os.O_RDONLY | os.O_CLOEXEC)
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    out = os.open(spec.path(files.STREAM), append, 0o600)
    err = os.open(spec.path(files.STDERR), append, 0o600)
    pid = os.fork()
    if pid:
        for fd in (stdin, out, err):
            os.close(fd)
        return pid
    try:
        for fd, target in ((stdin, 0), (out, 1), (err, 2)):
            os.dup2(fd, target)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        for signum in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(signum, signal.SIG_DFL)
        run()
    except BaseException as e:  # noqa: BLE001  a fork that failed to exec must end here, whatever happened
        os.write(2, f"cannot start {spec.command[0]}: {e}\n".encode())
    finally:
        os._exit(127)


def _exec_plain(spec: Spec) -> None:
    if spec.mode == "open":
        from adapters.containers.namespaces import die_with_parent

        os.setsid()
        die_with_parent(signal.SIGKILL)
    os.chdir(spec.cwd)
    os.execve(spec.command[0], spec.command, spec.env)  # noqa: S606  as above


def bound_files() -> None:
    """Bounds that a child inherits: no core dumps (they hold secrets), no endless file."""
    import resource

    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, _MAX_FILE_BYTES),
        (resource.RLIMIT_NOFILE, _MAX_OPEN_FILES),
    ):
        _, hard = resource.getrlimit(what)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(what, (bound, bound))
        except (OSError, ValueError) as e:
            sys.stderr.write(f"limit {what} not set: {e}\n")
