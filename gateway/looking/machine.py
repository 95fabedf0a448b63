"""disk_usage and processes: of the machine, or the container, that the gateway runs in."""

import asyncio
import os
import pwd
import time
from pathlib import Path
from typing import Literal

from pydantic import Field

from domain.base import Declared
from domain.inventory import Inventory
from gateway.looking.sight import NotHereError, Sight

MAX_ROWS = 60
_STATVFS_S = 1.0  # a dead network file system answers never
_ELSEWHERE = ("nfs", "cifs", "smb", "fuse.sshfs", "ceph", "9p", "glusterfs", "afs")
_NO_DISK = frozenset(
    {
        "proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "debugfs", "tracefs", "securityfs", "pstore", "bpf", "configfs",
        "fusectl", "hugetlbfs", "autofs", "binfmt_misc", "nsfs", "rpc_pipefs", "efivarfs", "devtmpfs", "ramfs",
    }
)  # fmt: skip


class Nothing(Declared):
    """No arguments."""


class Processes(Declared):
    """What to sort by, and how many."""

    by: Literal["processor", "memory"] = "processor"
    count: int = Field(default=15, ge=1, le=50, strict=True)


async def disks(_: Nothing, sight: Sight, __: Inventory) -> str:
    """Mount points of real file systems, the fullest first."""
    try:
        mounts = _mounts((sight.root / "proc/self/mounts").read_text("utf-8", "replace"))
    except OSError as e:
        raise NotHereError(f"The mount points cannot be read: {e}") from e
    rows = [row for row in await asyncio.gather(*(_disk(*m) for m in mounts)) if row]
    rows.sort(reverse=True)
    head = "used   size       free       inodes used   mount (kind)"
    return "\n".join([head, *(line for _, line in rows[:MAX_ROWS])])


def _mounts(text: str) -> list[tuple[str, str]]:
    seen: dict[str, tuple[str, str]] = {}
    for line in text.splitlines():
        device, place, kind, *_ = [*line.split(" "), "", "", ""]
        if kind in _NO_DISK or "/docker/overlay2/" in place or "/run/docker/" in place or "/containerd/" in place:
            continue
        path = place.encode().decode("unicode_escape", "replace")
        key = device if device.startswith("/dev/") else f"{device} {path}"
        seen.setdefault(key, (path, kind))
    return list(seen.values())[:200]


async def _disk(path: str, kind: str) -> tuple[float, str] | None:
    if kind.startswith(_ELSEWHERE):
        return (-1.0, f"?      on another machine, not asked                  {path} ({kind})")
    try:
        found = await asyncio.wait_for(asyncio.to_thread(os.statvfs, path), _STATVFS_S)
    except TimeoutError:
        return (2.0, f"?      does not answer                                {path} ({kind})")
    except OSError:
        return None
    if not found.f_blocks:
        return None
    free, size = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    used = 1 - found.f_bfree / found.f_blocks
    inodes = f"{1 - found.f_ffree / found.f_files:.0%}" if found.f_files else "-"
    return (used, f"{used:>4.0%}   {_size(size):>9}  {_size(free):>9}  {inodes:>6}        {path} ({kind})")


def _size(count: int) -> str:
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


async def processes(asked: Processes, sight: Sight, _: Inventory) -> str:
    """Names, never arguments or variables: those may hold secrets."""
    rows = await asyncio.to_thread(_processes, sight.root / "proc", asked.by)
    head = "pid     parent  user        state  processor  memory     age        program"
    return "\n".join([head, *rows[: asked.count], f"{len(rows)} programs run."])


def _processes(proc: Path, by: str) -> list[str]:
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    up = float((proc / "uptime").read_text().split()[0])
    deadline = time.monotonic() + 3
    found: list[tuple[float, str]] = []
    for folder in proc.iterdir():
        if not folder.name.isdigit() or time.monotonic() > deadline:
            continue
        try:
            stat, owner = (folder / "stat").read_text("utf-8", "replace"), folder.stat().st_uid
        except OSError:
            continue  # it has just ended
        name, fields = stat[stat.index("(") + 1 : stat.rindex(")")], stat[stat.rindex(")") + 2 :].split()
        spent, age = (int(fields[11]) + int(fields[12])) / tick, max(up - int(fields[19]) / tick, 0.01)
        memory, share = int(fields[21]) * page, 100 * spent / age
        line = (
            f"{folder.name:<7} {fields[1]:<7} {_user(owner):<11} {fields[0]:<6} {share:>7.1f} %  {_size(memory):>9}"
            f"  {age / 3600:>7.1f} h  {name}"
        )
        found.append((share if by == "processor" else float(memory), line))
    return [line for _, line in sorted(found, reverse=True)]


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name[:11]
    except KeyError:
        return str(number)
