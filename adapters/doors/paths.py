"""Unix sockets below long folders: the kernel takes 107 bytes of path, state folders may be deeper."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

_LONGEST = 100


@contextlib.contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A spelling of `path` short enough for bind and connect, valid inside the block.

    Raises OSError where the folder does not exist.
    """
    text = str(path)
    if len(os.fsencode(text)) <= _LONGEST:
        yield text
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def listen(path: Path, mode: int) -> socket.socket:
    """Listen at `path`, replacing whatever socket is there without a moment in which nothing is there."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with reachable(fresh) as spelled:
            listener.bind(spelled)
        fresh.chmod(mode)
        listener.listen(128)
        fresh.replace(path)
    except BaseException:
        listener.close()
        fresh.unlink(missing_ok=True)
        raise
    listener.setblocking(False)
    return listener
