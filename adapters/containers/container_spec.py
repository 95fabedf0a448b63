"""The wall of the container engine: how a session's container is created."""

import os
from pathlib import Path
from typing import Any

from adapters.containers import attempt, files
from domain.ports import Launch

CLI_INSIDE = "/opt/tiercel/claude"
CODE_INSIDE = "/opt/tiercel/code"
NOBODY = 64_000  # the uid of sessions where the worker is root; belongs to no person
TMP_BYTES = 256 << 20
MAX_FILE_BYTES = 2 << 30

LABEL_INSTALLATION = "tiercel.installation"
LABEL_SESSION = "tiercel.session"
LABEL_ATTEMPT = "tiercel.attempt"

CODE = Path(__file__).resolve().parent


def name_of(session: str, number: int) -> str:
    """The container's name: the engine refuses a second one, so a repeated start finds the first."""
    return f"tiercel-{session}-{number}"


def session_uid(*, rootless: bool) -> int:
    """Who the session is on the host: the worker itself where it is not root, so that both can use the folder.

    In a rootless engine the worker's user is called 0 inside.
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
    attempt_folder = launch.folder.attempt(launch.attempt)
    return {
        "image": image,
        "name": name_of(launch.session, launch.attempt),
        "entrypoint": ["/usr/bin/python3", *attempt.RUNNER_FLAGS, CODE_INSIDE],
        "command": [str(attempt_folder / files.LAUNCH)],
        "environment": {"PATH": "/usr/bin:/bin"},  # the runner's; the session gets its own and nothing else
        "user": f"{uid}:{uid}",
        "working_dir": str(launch.folder.work),
        "hostname": "session",
        "labels": {
            **launch.labels,
            LABEL_INSTALLATION: installation,
            LABEL_SESSION: launch.session,
            LABEL_ATTEMPT: str(launch.attempt),
        },
        "mounts": _mounts(launch, binary, code),
        "tmpfs": {"/tmp": f"rw,nosuid,nodev,noexec,size={TMP_BYTES},mode=1777"},  # noqa: S108  inside the container
        "network_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
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


def _mounts(launch: Launch, binary: Path, code: Path) -> list[dict[str, Any]]:
    folder = launch.folder
    lease = folder.root / files.LEASE
    mounts = [_mount(binary.resolve(), CLI_INSIDE), _mount(code, f"{CODE_INSIDE}/adapters/containers")]
    mounts += [_mount(path, str(path)) for path in (folder.door, lease, *launch.read_only)]
    writable = (folder.claude_config, folder.work, folder.attempt(launch.attempt))
    return mounts + [_mount(path, str(path), read_only=False) for path in writable]


def _mount(source: Path, target: str, *, read_only: bool = True) -> dict[str, Any]:
    return {"Type": "bind", "Source": str(source), "Target": target, "ReadOnly": read_only}
