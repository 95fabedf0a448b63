"""The loopback address of a session: raw bytes between a TCP listener and the gateway's Unix socket.

Standard library only: this file also runs in the session image.
"""

import os
import socket
import threading
import time

MAX_CONNECTIONS = 64  # a session that opens more waits; it must not be able to use up the runner's threads
_CHUNK = 1 << 16
_RETRY_S = 0.05


class Relay:
    """Accepts on `listener` and forwards to `path`, which may be absent while the gateway restarts."""

    def __init__(self, listener: socket.socket, path: str, patience_s: float = 10.0) -> None:
        self._listener = listener
        self._folder, self._name = os.path.split(path)
        self._patience_s = patience_s
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)

    def start(self) -> None:
        """Serve in threads that end with the process."""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            self._slots.acquire()
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                upstream = self._connect()
                if upstream is None:
                    return
                with upstream:
                    back = threading.Thread(target=_pump, args=(upstream, client), daemon=True)
                    back.start()
                    _pump(client, upstream)
                    back.join()
        finally:
            self._slots.release()

    def _connect(self) -> socket.socket | None:
        deadline = time.monotonic() + self._patience_s
        while True:
            upstream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                self._connect_once(upstream)
            except OSError:
                upstream.close()
            else:
                return upstream
            if time.monotonic() > deadline:
                return None
            time.sleep(_RETRY_S)

    def _connect_once(self, upstream: socket.socket) -> None:
        # Through the folder's descriptor: a socket's path may have 107 bytes only, and sessions lie deep.
        folder = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            upstream.connect(f"/proc/self/fd/{folder}/{self._name}")
        finally:
            os.close(folder)


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Copy until the source ends, then end only that direction: the answer may still be on its way."""
    try:
        while data := source.recv(_CHUNK):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


def listen(port: int, *, before_loopback: bool = False) -> socket.socket:
    """A listener on 127.0.0.1. `before_loopback`: the address need not exist yet."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if before_loopback:
        listener.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


_IP_FREEBIND = 15  # not in Python's socket module
