#!/usr/bin/env python3
"""Starts one of our processes in its container: `start.py gateway | worker | web`.

The worker's container starts as root and gives that up here, because only inside it can be seen which group owns the
Docker socket; its number differs from machine to machine. No process of ours ever runs as root.
"""

import os
import sys
from pathlib import Path

from config.settings import load
from deploy.compose.surroundings import kind_file, learn
from domain.errors import ConfigurationError

OWN_ID = 10001
DOCKER_SOCKET = Path("/var/run/docker.sock")


def give_up_root() -> None:
    """Become our own user, with the group of the Docker socket where there is one."""
    if os.geteuid() != 0:
        return
    groups = [DOCKER_SOCKET.stat().st_gid] if DOCKER_SOCKET.is_socket() else []
    os.setgroups(groups)
    os.setgid(OWN_ID)
    os.setuid(OWN_ID)


def tell_kind() -> None:
    """Write down which kind of credential the gateway holds."""
    kind_file().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = kind_file().with_suffix(".new")
    scratch.write_text(load().credential_kind + "\n", encoding="utf-8")
    scratch.rename(kind_file())


def main() -> None:
    """Prepare, then become the process."""
    name = sys.argv[1]
    give_up_root()
    try:
        if name == "gateway":
            tell_kind()
        else:
            learn()
    except (ConfigurationError, OSError) as e:
        sys.exit(f"{name}: {e}")
    os.execv(sys.executable, [sys.executable, "-m", name])  # noqa: S606  this process becomes it; there is no shell


if __name__ == "__main__":
    main()
