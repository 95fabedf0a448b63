"""The wall of the container engine: how a session's container is created."""

import os
from pathlib import Path
from typing import Any

from adapters.containers import attempt, files
from domain.ids import SessionId
from domain.ports import Launch, SessionFolder
from domain.session import Limits

CLI_INSIDE = "/opt/tiercel/claude"
CODE_INSIDE = "/opt/tiercel/code"
# The session's own folders are called the same in every container: one that waits does not know its session yet.
CONFIG_INSIDE, WORK_INSIDE = "/session/config", "/session/work"
# The runner's own: record, lease and door. Root's, so that the session cannot even look into it.
RUNNER_INSIDE = "/runner"
ATTEMPT_INSIDE, LEASE_INSIDE, DOOR_INSIDE = (f"{RUNNER_INSIDE}/{name}" for name in ("attempt", "lease", "door"))
# To run the session as somebody else and to end it. It has none of them itself.
RUNNER_RIGHTS = ("SETUID", "SETGID", "SETPCAP", "KILL")
NOBODY = 64_000  # the uid of sessions where the worker is root; belongs to no person
TMP_BYTES = 256 << 20
MAX_FILE_BYTES = 512 << 20

LABEL_INSTALLATION = "tiercel.installation"
LABEL_SESSION = "tiercel.session"
LABEL_ATTEMPT = "tiercel.attempt"

CODE = Path(__file__).resolve().parent


def name_of(session: str, number: int) -> str:
    """The container's name: the engine refuses a second one, so a repeated start finds the first."""
    return f"tiercel-{session}-{number}"


def session_uid(*, rootless: bool) -> int:
    """Who the session is on the host: the worker itself where it is not root, so that both can use the folder.

    In a rootless engine the worker's user is called 0 inside, and every other user's files would be out of its reach:
    there the session is the same user as its runner.
    """
    own = os.geteuid()
    if rootless:
        return 0
    return own if own != 0 else NOBODY


def arguments(
    launch: Launch, image: str, installation: str, binary: Path, uid: int, code: Path = CODE
) -> dict[str, Any]:
    """Arguments of `containers.create`."""
    memory = launch.limits.memory_mb << 20
    return {
        "image": image,
        "name": name_of(launch.session, launch.attempt),
        "entrypoint": ["/usr/bin/python3", *attempt.RUNNER_FLAGS, CODE_INSIDE],
        # The session's id: for people who look with `ps`.
        "command": [f"{ATTEMPT_INSIDE}/{files.LAUNCH}", launch.session],
        "environment": {"PATH": "/usr/bin:/bin"},  # the runner's; the session gets its own and nothing else
        "user": "0:0",  # the runner; the session is `uid`, without any right (namespaces.become)
        "working_dir": "/",
        "hostname": "session",
        "labels": {
            **launch.labels,
            LABEL_INSTALLATION: installation,
            LABEL_SESSION: launch.session,
            LABEL_ATTEMPT: str(launch.attempt),
        },
        "mounts": _mounts(launch, binary, code),
        "tmpfs": {
            "/tmp": f"rw,nosuid,nodev,noexec,size={TMP_BYTES},mode=1777",  # noqa: S108  inside the container
            RUNNER_INSIDE: "rw,nosuid,nodev,noexec,size=16k,mode=0700",
        },
        "network_mode": "none",
        "ipc_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
        "cap_add": list(RUNNER_RIGHTS) if uid else [],
        "security_opt": ["no-new-privileges"],
        "init": True,
        "pids_limit": launch.limits.pids,
        "mem_limit": memory,
        "memswap_limit": memory,
        "nano_cpus": int(launch.limits.cpus * 1_000_000_000),
        "ulimits": [
            {"Name": "core", "Soft": 0, "Hard": 0},
            {"Name": "nofile", "Soft": 4096, "Hard": 4096},
            {"Name": "fsize", "Soft": MAX_FILE_BYTES, "Hard": MAX_FILE_BYTES},
        ],
        "log_config": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}},
    }


def plan(launch: Launch, uid: int) -> dict[str, Any]:
    """What the runner in the container is told otherwise than one on the host."""
    return {
        "folder": ATTEMPT_INSIDE,
        "lease": LEASE_INSIDE,
        "socket": f"{DOOR_INSIDE}/{launch.folder.socket.name}",
        "uid": uid or -1,
        "writable": [WORK_INSIDE, CONFIG_INSIDE],
        "cwd": WORK_INSIDE,
        "command": [CLI_INSIDE, *(_as_inside(launch, part) for part in launch.argv)],
        "env": {name: _as_inside(launch, value) for name, value in launch.env.items()},
    }


def _as_inside(launch: Launch, text: str) -> str:
    folder = launch.folder
    return text.replace(str(folder.work), WORK_INSIDE).replace(str(folder.claude_config), CONFIG_INSIDE)


def waiting(limits: Limits, read_only: tuple[Path, ...], folder: SessionFolder) -> Launch:
    """What a container that waits in `folder` is made for: of its session only the bounds and the repositories."""
    return Launch(
        session=SessionId(folder.root.name), attempt=1, folder=folder, argv=(), env={}, prompt="",
        read_only=read_only, limits=limits, timeout_s=0,
    )  # fmt: skip


def waits(lease_s: float, name: str) -> dict[str, Any]:
    """Arguments of a container that waits, where they differ."""
    return {
        "entrypoint": ["/usr/bin/python3", *attempt.WAITING_FLAGS, CODE_INSIDE],
        "command": [f"{ATTEMPT_INSIDE}/{files.GO}", LEASE_INSIDE, str(lease_s), "inside", name],
    }


def made_like(launch: Launch, image_id: str, installation: str, binary: Path, uid: int, code: Path) -> list[Any]:
    """All that a container which fits `launch` is made with, whichever session it is for."""
    nobody = waiting(launch.limits, launch.read_only, SessionFolder(root=Path("/")))
    program = binary.resolve()
    seen = program.stat() if program.exists() else None  # the worker may be a container that does not see it
    return [
        arguments(nobody, image_id, installation, binary, uid, code),
        [seen.st_dev, seen.st_ino, seen.st_mtime_ns] if seen else [],
    ]


def _mounts(launch: Launch, binary: Path, code: Path) -> list[dict[str, Any]]:
    folder = launch.folder
    mounts = [
        _mount(binary.resolve(), CLI_INSIDE),
        _mount(code, f"{CODE_INSIDE}/adapters/containers"),
        _mount(folder.root / files.LEASE, LEASE_INSIDE),
        _mount(folder.door, DOOR_INSIDE),
        _mount(folder.attempt(launch.attempt), ATTEMPT_INSIDE, read_only=False),
    ]
    mounts += [_mount(path, str(path)) for path in launch.read_only]
    own = ((folder.claude_config, CONFIG_INSIDE), (folder.work, WORK_INSIDE))
    return mounts + [_mount(path, inside, read_only=False) for path, inside in own]


def _mount(source: Path, target: str, *, read_only: bool = True) -> dict[str, Any]:
    return {"Type": "bind", "Source": str(source), "Target": target, "ReadOnly": read_only}
