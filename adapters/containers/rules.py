"""The CLI's managed settings as a session finds them: there, root's, nobody's to change, and those of this version.

The CLI itself does not mind when they are missing. So whoever starts it looks first. Standard library only.
"""

# pathlib costs more time than everything that happens here before the first model request.
# ruff: noqa: PTH120, PTH123

import os
import stat

INSIDE = "/etc/claude-code/managed-settings.json"  # the CLI's own path for them
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def objection(path: str, text: str, *, container: bool) -> str:
    """Why no session may be started with the managed settings at `path`, which must say `text`; empty: it may.

    In a container they must also be root's on a read-only file system. On the host the sandbox shows them read-only.
    """
    remedy = "run `tiercel image build`" if container else "restore deploy/session of this installation"
    try:
        problem = (_open_to_others(path) if container else "") or _another(path, text)
    except OSError as e:
        problem = f"cannot be read ({e.strerror})"
    return f"the managed settings of the Claude Code CLI {problem}; {remedy}" if problem else ""


def _open_to_others(path: str) -> str:
    for place in (path, os.path.dirname(path)):
        seen = os.lstat(place)
        if stat.S_ISLNK(seen.st_mode) or seen.st_uid != 0 or seen.st_mode & _OTHERS_WRITE:
            return f"could be changed by others than root ({place})"
        if not os.statvfs(place).f_flag & os.ST_RDONLY:
            return f"are not on a read-only file system ({place})"
    return ""


def _another(path: str, text: str) -> str:
    with open(path, "rb") as f:
        return "" if f.read() == text.encode() else "are not those of this version"
