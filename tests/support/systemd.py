"""A real systemd with its journal, in namespaces of its own. It gets no power over the machine:

its control groups lie below one of the test's own, /dev, /run, /var/log and its configuration are its own, the kernel's
settings are read-only to it, and nothing is started but the journal and the units of the test.
"""

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SYSTEMD = Path("/lib/systemd/systemd")
_GROUPS = Path("/sys/fs/cgroup")
_NAMESPACES = ("-m", "-p", "-C", "-i", "-u", "-n")
_START = r"""
set -e
mount --make-rprivate /
mkdir -p "$WORK/dev"; mount -t tmpfs none "$WORK/dev"
for node in null zero full random urandom tty; do touch "$WORK/dev/$node"; mount --bind /dev/$node "$WORK/dev/$node"; done
mkdir "$WORK/dev/shm" "$WORK/dev/pts"; mount --rbind "$WORK/dev" /dev
mount -t proc proc /proc; mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys
for place in /run /var/log /etc/systemd /sys/fs/cgroup; do mount -t tmpfs -o mode=755 none $place; done
if [ "$ONE_TREE" ]; then umount /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup
else mkdir /sys/fs/cgroup/systemd; mount -t cgroup -o none,name=systemd none /sys/fs/cgroup/systemd; fi
mkdir -p /run/lock /run/systemd; cp -r "$WORK/units" /run/systemd/system
hostname systemd-of-a-test
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin "$SYSTEMD" --system --unit=test.target --show-status=no \
    --log-target=null
"""


@dataclass(frozen=True)
class Booted:
    """A systemd that runs; `pid` as this machine counts."""

    pid: int

    def run(self, *argv: str, timeout_s: float = 30) -> subprocess.CompletedProcess[str]:
        """A program in the same place as that systemd."""
        enter = ["nsenter", "-t", str(self.pid), *_NAMESPACES, "--", *argv]
        return subprocess.run(enter, capture_output=True, text=True, timeout=timeout_s, check=False)


def why_not() -> str:
    """Why none can be started here, or ""."""
    if os.geteuid() != 0:
        return "only root can start a systemd"
    if not SYSTEMD.exists() or shutil.which("journalctl") is None:
        return "systemd is not installed (apt install systemd)"
    return "" if all(os.access(tree, os.W_OK) for tree in _trees()) else "control groups may not be made here"


@contextmanager
def systemd(work: Path, units: Mapping[str, str]) -> Iterator[Booted]:
    """Start `units` (file name: text) and wait for the last of them. Ended and removed afterwards."""
    name = f"tiercel-test-{uuid.uuid4().hex[:12]}"
    (work / "units").mkdir(parents=True)
    for file, text in units.items():
        (work / "units" / file).write_text(f"[Unit]\nDefaultDependencies=no\n{text}", encoding="utf-8")
    wants = " ".join(["systemd-journald.service", *units])
    (work / "units" / "test.target").write_text(
        f"[Unit]\nDefaultDependencies=no\nWants={wants}\nAfter={wants}\n", encoding="utf-8"
    )
    groups = [tree / name for tree in _trees()]
    for group in groups:
        group.mkdir()
        _inherit(group)
    env = {"PATH": os.environ["PATH"], "WORK": str(work), "SYSTEMD": str(SYSTEMD)}
    if (_GROUPS / "cgroup.controllers").exists():
        env["ONE_TREE"] = "yes"
    join = "".join(f"echo $$ >{group}/cgroup.procs; " for group in groups)
    starter = f'{join}exec unshare {" ".join(_NAMESPACES)} -f --kill-child sh -c "$START"'
    process = subprocess.Popen(["sh", "-c", starter], env={**env, "START": _START}, start_new_session=True)
    try:
        booted = Booted(_child(process))
        _until_up(booted)
        yield booted
    finally:
        process.kill()
        process.wait(10)
        for group in groups:
            _remove(group)


def _trees() -> list[Path]:
    """The roots of all trees of control groups: one, or one for each kind of limit."""
    if (_GROUPS / "cgroup.controllers").exists():
        return [_GROUPS]
    return [tree for tree in _GROUPS.iterdir() if tree.is_dir() and not tree.is_symlink() and os.path.ismount(tree)]


def _inherit(group: Path) -> None:
    """A group of processors takes no process before it knows which processors."""
    for file in ("cpuset.cpus", "cpuset.mems"):
        if (group / file).exists():
            (group / file).write_text((group.parent / file).read_text())


def _child(process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        below = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if below and Path(f"/proc/{below[0]}/comm").read_text().strip() == "systemd":
            return int(below[0])
        time.sleep(0.05)
    raise AssertionError("systemd did not start")


def _until_up(booted: Booted) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if booted.run("systemctl", "is-active", "test.target").stdout.strip() == "active":
            return
        time.sleep(0.1)
    raise AssertionError(booted.run("systemctl", "--no-pager", "list-jobs").stdout)


def _remove(group: Path) -> None:
    deadline = time.monotonic() + 10
    while group.exists() and time.monotonic() < deadline:
        for folder in sorted(group.rglob("*/"), key=lambda f: -len(f.parts)):
            _rmdir(folder)
        _rmdir(group)


def _rmdir(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        time.sleep(0.01)  # its last process is still on its way out
