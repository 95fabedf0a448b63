"""Starting the command of a session: under bubblewrap, or as a plain child. Standard library only."""

# pathlib costs more time than everything that happens here before the first model request.
# ruff: noqa: PTH123

import base64
import json
import math
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from adapters.containers import files
from adapters.containers.cgroup import Group
from adapters.containers.output import Output

_MAX_FILE_BYTES = 512 << 20
_MAX_OPEN_FILES = 4096
# The CLI reserves 5.4 GB of writable addresses and uses an eighth of one. Less than this on top, and it fails early.
_RESERVED_BYTES = 6 << 30
_FIRST_TO_DIE = "1000"  # where memory runs out, it is the session's, not its runner's


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
        self.cpus = float(raw["cpus"])
        self.disk_bytes = int(raw["disk_mb"]) << 20
        self.writable = [str(path) for path in raw["writable"]]
        self.uid = int(raw.get("uid", -1))  # whom the command is to run as; -1: as we do
        self.seccomp = base64.b64decode(raw["seccomp"])
        self.command = [str(part) for part in raw["command"]]
        self.env = {str(name): str(value) for name, value in raw["env"].items()}
        self.cwd = str(raw["cwd"])
        self.socket = str(raw["socket"])
        self.port = int(raw["port"])
        self.door_url = str(raw["door_url"])
        self.rules = str(raw["rules"])  # the CLI's managed settings as the runner sees them; empty: there is no wall
        self.rules_text = str(raw["rules_text"])
        self.bwrap = str(raw.get("bwrap", ""))
        self.bwrap_args = [str(part) for part in raw.get("bwrap_args", ())]

    @property
    def processor_s(self) -> int:
        """What its processors give in its time, in whole seconds."""
        return max(1, math.ceil(self.timeout_s * self.cpus))

    def path(self, name: str) -> str:
        """A file of this attempt."""
        return f"{self.folder}/{name}"


class Spawned:
    """`pid` is our child; `inner` is the first process of the sandbox, None where there is no sandbox."""

    def __init__(self, pid: int, inner: int | None) -> None:
        self.pid = pid
        self.inner = inner


def spawn(spec: Spec, output: Output, group: Group | None) -> Spawned:
    """Start the command in `group` with its stdin on the attempt's prompt and the rest on `output`.

    Raises RuntimeError with bubblewrap's own words where the sandbox could not be made.
    """
    if spec.mode != "sandbox":
        if spec.seccomp:
            import_module("adapters.containers.namespaces")  # before the fork, not in its child
        return Spawned(_fork(spec, output, group, lambda: _exec_plain(spec)), None)
    # Arguments by descriptor: the first process of the sandbox shows its command line to everything inside.
    args = _in_memory("bwrap-args", b"".join(arg.encode() + b"\0" for arg in spec.bwrap_args))
    calls = _in_memory("seccomp", spec.seccomp)
    status, status_end = os.pipe()
    os.set_inheritable(status_end, True)
    options = [spec.bwrap, "--args", str(args), "--json-status-fd", str(status_end)]
    options += ["--seccomp", str(calls)] * bool(spec.seccomp)
    options += ["--", *spec.command]
    pid = _fork(spec, output, group, lambda: os.execve(spec.bwrap, options, {}))  # noqa: S606  a shell would be one more reader of the arguments
    for fd in (args, calls, status_end):
        os.close(fd)
    return Spawned(pid, _inner_pid(status))


def _in_memory(name: str, data: bytes) -> int:
    """A descriptor for a child to read `data` from."""
    fd = os.memfd_create(name, 0)
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _inner_pid(status: int) -> int:
    data = b""
    while b"\n" not in data:
        part = os.read(status, 4096)
        if not part:
            raise RuntimeError("the sandbox could not be made")
        data += part
    return int(json.loads(data.partition(b"\n")[0])["child-pid"])


def _fork(spec: Spec, output: Output, group: Group | None, run: Callable[[], object]) -> int:
    stdin = os.open(spec.path(files.PROMPT), os.O_RDONLY | os.O_CLOEXEC)
    pid = os.fork()
    if pid:
        os.close(stdin)
        return pid
    try:
        for fd, target in ((stdin, 0), (output.stdout.theirs.fileno(), 1), (output.stderr.theirs.fileno(), 2)):
            os.dup2(fd, target)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        for signum in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(signum, signal.SIG_DFL)
        if group is not None:
            group.join()
        elif spec.mode != "inside":
            bound_alone(spec.memory_bytes + _RESERVED_BYTES, spec.processor_s)
        _die_first()
        run()
    except BaseException as e:  # noqa: BLE001  a fork that failed to exec must end here, whatever happened
        os.write(2, f"cannot start {spec.command[0]}: {e}\n".encode())
    finally:
        os._exit(127)


def bound_alone(memory_bytes: int, processor_s: int) -> None:
    """What no control group bounds for all, bounded for each process, so that none may take the machine for itself.

    Of memory between two looks at what all of them use; of processor time over its whole life (then SIGXCPU).
    """
    import resource

    _bound(resource.RLIMIT_DATA, memory_bytes, memory_bytes)
    _bound(resource.RLIMIT_CPU, processor_s, processor_s + 1)  # who does not listen to SIGXCPU gets SIGKILL


def _bound(what: int, soft: int, hard: int) -> None:
    import resource

    _, most = resource.getrlimit(what)
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(what, (soft, hard))


def _die_first() -> None:
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as f:
            f.write(_FIRST_TO_DIE)
    except OSError:
        return  # a kernel's wish list, not a wall


def _exec_plain(spec: Spec) -> None:
    if spec.mode == "open":
        from adapters.containers.namespaces import die_with_parent

        os.setsid()
        die_with_parent(signal.SIGKILL)
    if spec.uid >= 0:
        from adapters.containers.namespaces import become

        become(spec.uid)
    os.chdir(spec.cwd)
    if spec.seccomp:
        from adapters.containers.namespaces import filter_calls

        filter_calls(spec.seccomp)
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
