"""What a running session may use: memory, processes, disk and words. Standard library only.

Memory and processes are the kernel's to bound, by a control group or by the container; where neither can be had they
are measured here. The disk is always measured: no file system bounds a folder everywhere.
"""

# pathlib costs more time than everything that happens here before the first model request.
# ruff: noqa: PTH115, PTH116, PTH119, PTH123, PTH208

import os
import stat
import time

from adapters.containers import cgroup, files
from adapters.containers.cgroup import Group
from adapters.containers.output import MAX_STREAM_BYTES, Output
from adapters.containers.spawn import Spec

DISK_EVERY_S = 1.0
TICK_S, SAMPLING_S = 0.5, 0.1  # how often to look; what is only measured grows by gigabytes in half a second
LEAST_FREE_BYTES = 64 << 20  # as the supervisor: below it a session's host stops working: its database, its logs
_ENTRY_BYTES = 4096  # what an empty file costs, about
_SIGKILL_CODE, _SIGXCPU_CODE = 137, 152
MANY_REFUSALS = 500  # a program that gets no more processes gives up or waits; only a bomb goes on trying


class Bounds:
    """Looks now and then; answers with the reason to end the session and what to tell about it."""

    def __init__(self, spec: Spec, output: Output, group: Group | None) -> None:
        inside = spec.mode == "inside"
        self._spec, self._output = spec, output
        self._group = cgroup.of_container() if inside else group
        self._disk_at = 0.0
        self.tick_s = TICK_S if self._group else SAMPLING_S
        self._how = "container" if inside else f"cgroup v{group.version}" if group else "sampled"

    @property
    def how(self) -> str:
        """Who bounds memory, processes and processor time."""
        return self._how

    def broken(self) -> tuple[str, str] | None:
        """The bound that is broken now."""
        if self._output.failed:
            return "disk", self._output.failed
        if self._output.stdout.over:
            return "flood", f"it said more than {MAX_STREAM_BYTES >> 20} MB"
        if self._group is None and (found := self._sampled()):
            return found
        if self._group is not None and self._group.refused() > MANY_REFUSALS:
            return "pids", f"it wanted more than {self._spec.pids} processes again and again"
        if time.monotonic() - self._disk_at < DISK_EVERY_S:
            return None
        found = self._disk()
        self._disk_at = time.monotonic()
        return found

    def explained(self, code: int | None, reason: str, detail: str) -> tuple[str, str]:
        """The end's reason, now that it is down: what the kernel refused or killed may be why it failed."""
        if reason == "exited" and code == _SIGXCPU_CODE and self._how == "sampled":
            return "timeout", f"it used {self._spec.processor_s} s of processor time"
        if reason != "exited" or code == 0 or self._group is None:
            return reason, detail
        if self._group.starved():
            return "oom", f"it needed more than {self._spec.memory_bytes >> 20} MB"
        if self._group.refused() and code != _SIGKILL_CODE:
            return "pids", f"it needed more than {self._spec.pids} processes"
        return reason, detail

    def _sampled(self) -> tuple[str, str] | None:
        below = files.descendants(os.getpid())
        if len(below) > self._spec.pids:  # first: a fork bomb takes much memory too
            return "pids", f"had {len(below)} processes of {self._spec.pids}"
        anonymous, mapped = (sum(found) for found in zip((0, 0), *map(_memory_bytes, below), strict=True))
        used = anonymous + max(mapped, sum(_nameless_bytes(below, in_memory=True).values()))
        if used > self._spec.memory_bytes:
            return "oom", f"used {used >> 20} MB of {self._spec.memory_bytes >> 20} MB"
        return None

    def _disk(self) -> tuple[str, str] | None:
        if self._spec.uid >= 0:
            from adapters.containers.namespaces import act_as

            act_as(self._spec.uid)  # the runner has no right of its own to look into the session's folders
            try:
                return self._disk_as_owner()
            finally:
                act_as(os.getuid())
        return self._disk_as_owner()

    def _disk_as_owner(self) -> tuple[str, str] | None:
        free = os.statvfs(self._spec.writable[0])
        if free.f_bavail * free.f_frsize < LEAST_FREE_BYTES:
            return "disk", f"its disk has less than {LEAST_FREE_BYTES >> 20} MB left"
        most = self._spec.disk_bytes
        try:
            used = folder_bytes(self._spec.writable, most)
        except PermissionError as e:
            return "disk", f"it made a folder that cannot be measured ({os.path.basename(e.filename)})"
        used += sum(_nameless_bytes(self._pids(), in_memory=False).values())
        return ("disk", f"it wrote more than {most >> 20} MB") if used > most else None

    def _pids(self) -> list[int]:
        if self._spec.mode == "inside":
            return files.everybody_but_us()
        return self._group.pids() if self._group else files.descendants(os.getpid())


def folder_bytes(paths: list[str], most: int) -> int:
    """Bytes of everything in `paths`; stops counting above `most`. PermissionError: somebody hides something."""
    used, todo = 0, list(paths)
    while todo and used <= most:
        try:
            entries = os.scandir(todo.pop())
        except (FileNotFoundError, NotADirectoryError):
            continue
        with entries:
            for entry in entries:
                try:
                    seen = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                used += max(seen.st_blocks * 512, _ENTRY_BYTES)
                if stat.S_ISDIR(seen.st_mode):
                    todo.append(entry.path)
    return used


def _nameless_bytes(pids: list[int], *, in_memory: bool) -> dict[tuple[int, int], int]:
    """Bytes of each file without a name that `pids` hold open: those that are memory only, or those on a disk.

    What cannot be seen, the free space of the disk bounds.
    """
    found: dict[tuple[int, int], int] = {}
    for pid in pids:
        try:
            numbers = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for number in numbers:
            try:
                seen = os.stat(f"/proc/{pid}/fd/{number}")
            except OSError:
                continue
            if seen.st_nlink == 0 and stat.S_ISREG(seen.st_mode) and _in_memory(pid, number) == in_memory:
                found[seen.st_dev, seen.st_ino] = seen.st_blocks * 512
    return found


def _in_memory(pid: int, number: str) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/fd/{number}").startswith("/memfd:")
    except OSError:
        return False


def _memory_bytes(pid: int) -> tuple[int, int]:
    """Memory that belongs to `pid` alone, and what it shares and may write; the mapped binary does not count."""
    found = {b"RssAnon:": 0, b"RssShmem:": 0}
    try:
        with open(f"/proc/{pid}/status", "rb") as f:
            for line in f:
                name = line.split(None, 1)[0] if line.strip() else b""
                if name in found:
                    found[name] = int(line.split()[1]) << 10
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    return found[b"RssAnon:"], found[b"RssShmem:"]
