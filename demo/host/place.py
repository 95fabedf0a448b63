"""Where the host's own files lie below its root folder."""

import asyncio
import fcntl
import hashlib
import os
import tempfile
from pathlib import Path

from domain.errors import ConfigurationError

_SOCKET_LIMIT = 100


def host_file(root: Path) -> Path:
    """Written when all services were started: pid, ports, socket, repositories."""
    return root / "run" / "host.json"


def repos_dir(root: Path) -> Path:
    """TIERCEL_REPOS_DIR of the demo."""
    return root / "repos"


def socket_path(root: Path) -> Path:
    """The control socket; in a private folder elsewhere where the path would be too long for one."""
    path = root / "run" / "units.sock"
    if len(os.fsencode(path)) <= _SOCKET_LIMIT:
        return path
    name = hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"tiercel-units-{os.geteuid()}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.geteuid() or folder.is_symlink():
        raise OSError(f"{folder} is in the way and not ours; remove it")
    return folder / "units.sock"


async def hold(root: Path) -> int:
    """Take the folder for this host; gives the lock's descriptor.

    Waits a moment for what a killed host left to be ended. Raises ConfigurationError where another host keeps it.
    """
    (root / "run").mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root / "run" / "host.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for _ in range(50):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(0.1)
        else:
            return descriptor
    os.close(descriptor)
    raise ConfigurationError(f"{root} is in use by another demo; stop that first, or choose another folder")
