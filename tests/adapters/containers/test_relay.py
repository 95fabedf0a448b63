"""The relay by itself: bytes, ends and a door that comes and goes."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.containers.relay import Relay, listen


def everything(end: socket.socket) -> bytes:
    return b"".join(iter(lambda: end.recv(1 << 16), b""))


class Door:
    """A gateway that says back what it was told, once it was told everything."""

    def __init__(self, path: Path) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                client.sendall(everything(client)[::-1])


@pytest.fixture
def socket_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # a short name for `bind`; the relay itself gets the long one
    return tmp_path / "gateway.sock"


@pytest.fixture
def address(socket_path: Path) -> Iterator[tuple[str, int]]:
    listener = listen(0)
    Relay(listener, str(socket_path), patience_s=5.0).start()
    yield listener.getsockname()
    listener.close()


def ask(address: tuple[str, int], told: bytes) -> bytes:
    with socket.create_connection(address, timeout=10) as client:
        client.sendall(told)
        client.shutdown(socket.SHUT_WR)
        return everything(client)


def test_the_answer_comes_after_our_half_is_closed(address: tuple[str, int]) -> None:
    door = Door(Path("gateway.sock"))
    told = bytes(range(256)) * 4000
    assert ask(address, told) == told[::-1]
    door.listener.close()


def test_many_connections_at_once_are_kept_apart(address: tuple[str, int]) -> None:
    door = Door(Path("gateway.sock"))
    answers: dict[int, bytes] = {}

    def one(number: int) -> None:
        answers[number] = ask(address, b"%d" % number * 1000)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(10, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: (b"%d" % number * 1000)[::-1] for number in range(10, 30)}
    door.listener.close()


def test_a_gateway_that_restarts_is_waited_for(address: tuple[str, int], socket_path: Path) -> None:
    Door(Path("gateway.sock")).listener.close()  # the socket's file stays, nobody listens
    later = threading.Timer(0.5, lambda: (socket_path.unlink(), Door(Path("gateway.sock"))))
    later.start()
    assert ask(address, b"abc") == b"cba"
    later.join()


def test_without_a_gateway_the_connection_ends(socket_path: Path) -> None:
    listener = listen(0)
    Relay(listener, str(socket_path), patience_s=0.2).start()
    with socket.create_connection(listener.getsockname(), timeout=10) as client:
        assert client.recv(1) == b""
    listener.close()
