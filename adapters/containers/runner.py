"""One process per running session: starts it, relays its only door, bounds it, and records its end.

It belongs to nobody: a killed worker does not take the session along. It lives as long as the lease is renewed, so a
machine without workers has no sessions after 15 s. If it is killed itself, the kernel kills the sandbox.
The same code runs on the host (`sandbox`, `open`) and as the entry of the session image (`inside`).
Standard library only, and few imports before the command is started: this is on the way to the first model request.
"""

# pathlib costs more time than everything that happens here before the first model request.
# ruff: noqa: PTH110, PTH116, PTH123

import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Callable

from adapters.containers import cgroup, files, rules
from adapters.containers.bounds import TICK_S as TICK_S  # noqa: PLC0414 - what waits for us keeps this time, too
from adapters.containers.bounds import Bounds
from adapters.containers.cgroup import Group
from adapters.containers.output import Output
from adapters.containers.spawn import Spawned, Spec, bound_files, spawn

GRACE_S = 3.0
_DRAIN_S = 10.0
_SIGNALS = (signal.SIGTERM, signal.SIGCHLD)
_SIGKILL_CODE = 137
_OWN, _READABLE = 0o600, 0o644  # a container's runner is not the worker's uid; the session's folder keeps others out


class Ending:
    """Why a session is ended by us, and how long it may take to end by itself."""

    def __init__(self, reason: str, detail: str, grace_s: float) -> None:
        self.reason, self.detail, self.grace_s = reason, detail, grace_s


class Lease:
    """Watches the lease by our own clock: a jump of the wall clock must not end a session."""

    def __init__(self, path: str, patience_s: float) -> None:
        self._path, self._patience_s = path, patience_s
        self._change = self._changed()
        self._seen = time.monotonic()

    def _changed(self) -> int:
        try:
            return os.stat(self._path).st_mtime_ns
        except OSError:
            return 0

    def expired(self) -> bool:
        """Whether nobody renewed it for too long. A lease that is gone counts as not renewed."""
        change = self._changed()
        if change != self._change and change:
            self._change, self._seen = change, time.monotonic()
        return time.monotonic() - self._seen > self._patience_s


class Runner:
    """The life of one attempt."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._lease = Lease(spec.lease, spec.lease_s)
        self._deadline = time.monotonic() + spec.timeout_s
        self._status: int | None = None
        self._stopping: Ending | None = None
        self._asked = False
        self._kill_at = 0.0
        self._group: Group | None = None

    def run(self) -> None:
        """Start, watch, end, record."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        code, reason, detail = None, "lost", ""
        spec = self._spec
        output = Output(spec.path(files.STREAM), spec.path(files.STDERR), _READABLE if spec.mode == "inside" else _OWN)
        self._group = None if spec.mode == "inside" else self._make_group()
        bounds = Bounds(spec, output, self._group)
        try:
            code, reason, detail = self._live(output, bounds)
        except (OSError, RuntimeError) as e:
            detail = str(e)
        if not self._kill_all():
            detail += " (some of its processes cannot be killed)"
        output.finish()
        reason, detail = bounds.explained(code, reason, detail)
        if self._group is not None:
            self._group.remove()
        files.write_atomic(spec.path(files.EXIT), {"code": code, "reason": reason, "detail": detail}, keep=True)

    def _live(self, output: Output, bounds: Bounds) -> tuple[int | None, str, str]:
        spec = self._spec
        if spec.rules and (why_not := rules.objection(spec.rules, spec.rules_text, container=spec.mode == "inside")):
            return None, "fences", why_not
        listener = self._own_listener()
        process = spawn(spec, output, self._group)
        self._sign(process.inner, bounds.how)
        self._open_door(process, listener)
        output.start()
        return self._watch(process, bounds)

    def _make_group(self) -> Group | None:
        name = f"tiercel-{self._spec.runner.replace('/', '-')}"
        return cgroup.make(name, self._spec.memory_bytes, self._spec.pids, self._spec.cpus)

    # ------------------------------------------------------------ start

    def claim(self) -> bool:
        """Become the one runner of this attempt. False where another is or was."""
        lock = os.open(self._spec.path(files.LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if os.path.exists(self._spec.path(files.PROCESS)):
            return False
        self._sign(None, "")
        return True

    def _sign(self, inner: int | None, limits: str) -> None:
        """Who we are. `groups`: for whoever cleans up after a runner that was killed."""
        pid = os.getpid()
        who = {"runner": self._spec.runner, "mode": self._spec.mode, "pid": pid, "start_time": files.start_time(pid)}
        if limits:
            who |= {"limits": limits, "groups": self._group.folders if self._group else []}
        if inner is not None:
            who |= {"inner": inner, "inner_start_time": files.start_time(inner)}
        # Waiting for the disk comes after the start of the command, not before.
        files.write_atomic(self._spec.path(files.PROCESS), dict(who), durable=bool(limits))

    def _own_listener(self) -> object:
        """Where there is no namespace of its own, the port must be known before the command is started."""
        spec = self._spec
        if spec.mode == "sandbox":
            return None
        from adapters.containers.relay import listen

        listener = listen(spec.port if spec.mode == "inside" else 0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        spec.command = [part.replace(spec.door_url, url) for part in spec.command]
        door, place = spec.door_url.partition("://")[2], url.partition("://")[2]
        spec.env = {name: value.replace(door, place) for name, value in spec.env.items()}
        return listener

    def _open_door(self, process: Spawned, listener: object) -> None:
        import socket

        from adapters.containers.relay import Relay

        if process.inner is not None:
            from adapters.containers.namespaces import listen_inside

            try:
                listener = listen_inside(process.inner, self._spec.port)
            except OSError:
                if files.start_time(process.inner) is not None:
                    raise
                return  # the command was faster than its door
        if isinstance(listener, socket.socket):
            Relay(listener, self._spec.socket).start()

    # ------------------------------------------------------------ watch

    def _watch(self, process: Spawned, bounds: Bounds) -> tuple[int | None, str, str]:
        while True:
            self._reap(process.pid)
            if self._status is not None:
                break
            if self._stopping is None and (ending := self._look(bounds)):
                self._stopping = ending
                self._kill_at = time.monotonic() + ending.grace_s
                self._terminate(process)
            if self._stopping and time.monotonic() >= self._kill_at:
                self._kill_all()
                self._status = _SIGKILL_CODE
                break
            woken = signal.sigtimedwait(_SIGNALS, bounds.tick_s)
            self._asked = self._asked or (woken is not None and woken.si_signo == signal.SIGTERM)
        if self._stopping:
            return self._status, self._stopping.reason, self._stopping.detail
        return self._status, "exited", ""

    def _look(self, bounds: Bounds) -> Ending | None:
        """The reason to end it, if there is one now."""
        if wish := files.read_json(self._spec.path(files.STOP)):
            return Ending(str(wish.get("reason", "stopped")), "", float(str(wish.get("grace_s", GRACE_S))))
        if self._asked:  # nobody of ours: they leave word before. A machine or a Docker engine that goes down.
            return Ending("lost", "somebody else asked it to end", GRACE_S)
        if time.monotonic() > self._deadline:
            return Ending("timeout", f"still running after {self._spec.timeout_s:g} s", GRACE_S)
        if self._lease.expired():
            return Ending("lease", f"no worker gave a sign of life for {self._spec.lease_s:g} s", 0.0)
        broken = bounds.broken()
        return Ending(*broken, 0.0) if broken else None

    # ------------------------------------------------------------ end

    def _reap(self, main: int) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == main:
                code = os.waitstatus_to_exitcode(status)
                self._status = code if code >= 0 else 128 - code

    def _terminate(self, process: Spawned) -> None:
        """Ask the command itself to end; what it leaves behind is killed later."""
        for pid in files.children(process.inner) if process.inner is not None else [process.pid]:
            _kill(pid, signal.SIGTERM)

    def _kill_all(self) -> bool:
        """Return when nothing that the session started is left: only then may it be started again elsewhere."""
        deadline = time.monotonic() + _DRAIN_S
        while time.monotonic() < deadline:
            below = [-1] if self._spec.mode == "inside" else files.descendants(os.getpid())
            for pid in below + (self._group.pids() if self._group else []):
                _kill(pid, signal.SIGKILL)
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    continue
            except ChildProcessError:
                if not (self._group and self._group.pids()):
                    return True
            time.sleep(0.005)
        return False


def _kill(pid: int, signum: int) -> None:
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        return


def main(path: str) -> None:
    """Run the attempt that `path` (launch.json) describes. On the host: as nobody's child."""
    with open(path, "rb") as f:
        spec = Spec(json.load(f))
    if spec.mode != "inside":
        detach()
    run(spec, tell_starter)


def run(spec: Spec, claimed: Callable[[], None]) -> None:
    """Run `spec` and leave; returns only where another runner is or was. `claimed`: process.json is written."""
    runner = Runner(spec)
    if not runner.claim():
        return
    claimed()
    if spec.mode != "inside":
        bound_files()
    runner.run()
    os._exit(0)  # everything is on disk; the relay's threads must not hold up the end of the session


def detach() -> None:
    """Leave the worker: it may be killed, and it must not have to reap us."""
    if os.fork():
        os._exit(0)
    from adapters.containers.namespaces import become_subreaper

    become_subreaper()


def tell_starter() -> None:
    """The end of our stdout says that we are there."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)


if __name__ == "__main__":
    main(sys.argv[1])
