"""What a session says: sockets that its runner reads, files that only the runner writes. Standard library only.

A file or a pipe as its stdout could be opened again by whatever runs inside (/proc/PID/fd/1) and then be written over;
a socket cannot. It also lets the runner bound what is written.
"""

import os
import select
import signal
import socket
import threading

MAX_STREAM_BYTES = 128 << 20  # a session that says more is ended: its reader holds a whole line in memory
MAX_STDERR_BYTES = 4 << 20  # only its last words are ever shown
_CHUNK = 1 << 16
_DRAIN_S = 5.0


class Channel:
    """One of stdout and stderr: `theirs` for the command, what comes out of it in `path`."""

    def __init__(self, path: str, most: int, mode: int) -> None:
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, mode)
        self._left = most
        self.over = False

    def take(self) -> bool:
        """Write what is there; False at the end. What is over the bound is thrown away."""
        try:
            data = self.ours.recv(_CHUNK)
        except OSError:
            return False
        if not data:
            return False
        view = memoryview(data)[: self._left]
        self.over = self.over or len(view) < len(data)
        while view:
            written = os.write(self._file, view)
            self._left -= written
            view = view[written:]
        return True

    def close(self) -> None:
        """Everything on disk."""
        os.fsync(self._file)
        os.close(self._file)
        self.ours.close()


class Output:
    """Both channels and the thread that empties them. `failed`: why nothing more can be written, or ""."""

    def __init__(self, stdout: str, stderr: str, mode: int) -> None:
        self.stdout = Channel(stdout, MAX_STREAM_BYTES, mode)
        self.stderr = Channel(stderr, MAX_STDERR_BYTES, mode)
        self.failed = ""
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to read, in a thread that ends with the last writer. The command has its ends by now."""
        self.stdout.theirs.close()
        self.stderr.theirs.close()
        self._thread = threading.Thread(target=self._pump, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait for the last byte, then for the disk. To be called when everything that could write is gone."""
        if self._thread is None:
            self.start()
        if self._thread is not None:
            self._thread.join(_DRAIN_S)
        for channel in (self.stdout, self.stderr):
            channel.close()

    def _pump(self) -> None:
        open_ones = {channel.ours.fileno(): channel for channel in (self.stdout, self.stderr)}
        poll = select.poll()
        for number in open_ones:
            poll.register(number, select.POLLIN)
        while open_ones:
            for number, _ in poll.poll():
                if self._take(open_ones[number]):
                    continue
                poll.unregister(number)
                del open_ones[number]

    def _take(self, channel: Channel) -> bool:
        told = self.stdout.over or bool(self.failed)
        try:
            goes_on = channel.take()
        except OSError as e:  # a full disk
            self.failed, goes_on = f"its output cannot be written: {e}", True
        if not told and (self.stdout.over or self.failed):
            os.kill(os.getpid(), signal.SIGCHLD)  # wakes the runner, which looks at once
        return goes_on
