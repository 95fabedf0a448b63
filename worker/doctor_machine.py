"""The machine: Python, packages, disk, memory, files, clock, user."""

import ctypes
import importlib.metadata
import os
import platform
import re
import resource
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from adapters.database import server_place
from config.settings import Settings
from domain.errors import ConfigurationError
from worker.doctor_finding import Finding, fail, ok, warn

ROOT = Path(__file__).resolve().parents[1]
GB = 1 << 30
_NETWORK_FILES = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "glusterfs", "ceph", "afs"})
_PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)([^\\\n]*)", re.MULTILINE)
_STA_UNSYNC = 0x40


async def python(_settings: Settings) -> Sequence[Finding]:
    return [ok("python", f"{platform.python_version()} ({sys.executable})")]


async def packages(_settings: Settings) -> Sequence[Finding]:
    lock = ROOT / "requirements.lock"
    if not lock.is_file():
        return [ok("packages", "installed as a package, without a lock file beside it")]
    differing = differences(lock.read_text(encoding="utf-8"))
    if differing:
        shown = ", ".join(differing[:4]) + (f" and {len(differing) - 4} more" if len(differing) > 4 else "")
        return [fail("packages", f"not as requirements.lock says: {shown}", "./dev setup")]
    return [ok("packages", "as requirements.lock says")]


def differences(lock: str) -> list[str]:
    """`name 1.0 instead of 2.0` for every package that is not installed as pinned."""
    found: list[str] = []
    for name, pinned, marker in _PINNED.findall(lock):
        try:
            have = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if ";" not in marker:  # with a marker it may be meant for another system
                found.append(f"{name} is missing")
            continue
        if have != pinned:
            found.append(f"{name} {have} instead of {pinned}")
    return found


async def disk(settings: Settings) -> Sequence[Finding]:
    folder = _existing(server_place.base_of(settings.home))
    usage, system = shutil.disk_usage(folder), os.statvfs(folder)
    free = f"{usage.free / GB:.1f} GB free on the disk of {folder}"
    fix = f"free space there, lower TIERCEL_RETENTION_DAYS, or move TIERCEL_HOME from {settings.home}"
    findings = [ok("disk", free)]
    if usage.free < GB:
        findings = [fail("disk", free, fix)]
    elif usage.free < 5 * GB:
        findings = [warn("disk", free, fix)]
    if system.f_files and system.f_favail < system.f_files * 0.05:
        left = f"only {system.f_favail} of {system.f_files} file entries (inodes) are left on the disk of {folder}"
        findings.append(warn("inodes", left, "delete many small files there: `df -i`"))
    kind = _file_system(folder)
    if kind in _NETWORK_FILES:
        findings.append(
            warn(
                "file system",
                f"{folder} is on {kind}; a database there can be damaged",
                "set TIERCEL_HOME to a local disk",
            )
        )
    return findings


async def memory(_settings: Settings) -> Sequence[Finding]:
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return []
    match = re.search(r"MemAvailable:\s+(\d+) kB", text)
    available = int(match[1]) * 1024 if match else 0
    if available < 1.5 * GB:
        cause = f"{available / GB:.1f} GB free; one session may take 1 GB"
        return [warn("memory", cause, "stop something, or set TIERCEL_MAX_SESSIONS=1")]
    return [ok("memory", f"{available / GB:.1f} GB free")]


async def open_files(_settings: Settings) -> Sequence[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        cause = f"at most {hard} open files; live pages and sessions need more"
        return [
            warn("open files", cause, "raise the hard limit: LimitNOFILE= in the unit, or /etc/security/limits.conf")
        ]
    return [
        ok(
            "open files",
            f"{soft} (up to {'any number' if hard == resource.RLIM_INFINITY else hard}; `up` raises it itself)",
        )
    ]


async def clock(_settings: Settings) -> Sequence[Finding]:
    newest = max(file.stat().st_mtime for file in Path(__file__).parent.glob("*.py"))
    if time.time() < newest - 86_400:
        shown = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
        return [
            fail(
                "clock",
                f"it says {shown} UTC, which is before this program was installed",
                "set the clock: timedatectl set-ntp true",
            )
        ]
    if _unsynchronised():
        return [
            warn(
                "clock",
                "the kernel says that nobody synchronises it; cooldowns and schedules follow it",
                "timedatectl set-ntp true",
            )
        ]
    return [ok("clock", f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC")]


async def user(settings: Settings) -> Sequence[Finding]:
    try:
        who = server_place.owner()
    except ConfigurationError as e:
        if settings.database_url:
            return []
        return [fail("user", *_split(e))]
    if who.drop:
        return [ok("user", f"root; our own Postgres would run as {who.name}")]
    return [ok("user", who.name)]


def _split(error: Exception) -> tuple[str, str]:
    cause, _, fix = str(error).partition("; ")
    return cause, fix or "see the message"


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _file_system(folder: Path) -> str:
    """The kind of the file system that holds a folder: the longest mount point above it."""
    try:
        mounts = [line.split(" ") for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return ""
    path = folder.resolve()
    above = [(len(point), kind) for _, point, kind, *_rest in mounts if path.is_relative_to(point)]
    return max(above)[1] if above else ""


def _unsynchronised() -> bool:
    """The kernel's own flag. False where it cannot be asked."""
    if sys.platform != "linux":
        return False
    # struct timex: modes (int), offset, freq, maxerror, esterror (long), status (int), ...; we only read.
    buffer = ctypes.create_string_buffer(512)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.adjtimex(buffer) < 0:
        return False
    status = ctypes.c_int.from_buffer(buffer, 5 * ctypes.sizeof(ctypes.c_long)).value
    return bool(status & _STA_UNSYNC)


CHECKS = (python, packages, user, disk, memory, open_files, clock)
