"""Reads the server name out of the first message of a TLS client. Nothing is decrypted, and nothing is kept."""

import struct

from domain.base import Value

MAX_HELLO = 16 << 10
_HANDSHAKE = 0x16
_CLIENT_HELLO = 1
_SERVER_NAME = 0
_HIDDEN_HELLO = 0xFE0D  # another name could be inside, where nobody sees it
UNRECOGNIZED_NAME = b"\x15\x03\x03\x00\x02\x02\x70"  # the alert that every TLS client understands


class Hello(Value):
    """`name` is "" where the client names nobody. `refusal` says why this is no message that may pass."""

    name: str = ""
    refusal: str = ""


class _Broken(Exception):  # noqa: N818 - never leaves this file
    """The message ends too early, or says nonsense."""


def read_hello(data: bytes) -> Hello | None:
    """What the client says first. None: not all of it is here yet."""
    try:
        message = _message(data)
        return None if message is None else _names(message)
    except (_Broken, struct.error, UnicodeDecodeError):
        return Hello(refusal="this is no TLS: only TLS passes through a tunnel")


def _message(data: bytes) -> bytes | None:
    """The handshake message, put together from its records."""
    found, at = b"", 0
    while True:
        if data[at : at + 1] not in {b"", bytes([_HANDSHAKE])} or data[at + 1 : at + 2] not in {b"", b"\x03"}:
            raise _Broken
        if len(found) >= 4:
            if found[0] != _CLIENT_HELLO:
                raise _Broken
            size = 4 + int.from_bytes(found[1:4], "big")
            if size > MAX_HELLO:
                raise _Broken
            if len(found) >= size:
                return found[4:size]
        if len(data) < at + 5:
            return None
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        if not 0 < length <= MAX_HELLO:
            raise _Broken
        if len(data) < at + 5 + length:
            return None
        found += data[at + 5 : at + 5 + length]
        at += 5 + length


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def take(self, count: int) -> bytes:
        if len(self._data) < count:
            raise _Broken
        part, self._data = self._data[:count], self._data[count:]
        return part

    def vector(self, size_bytes: int) -> bytes:
        return self.take(int.from_bytes(self.take(size_bytes), "big"))

    def __bool__(self) -> bool:
        return bool(self._data)


def _names(message: bytes) -> Hello:
    reader = _Reader(message)
    reader.take(2 + 32)  # version, random
    for size_bytes in (1, 2, 1):  # session id, ciphers, compression
        reader.vector(size_bytes)
    extensions = _Reader(reader.vector(2) if reader else b"")
    name, seen = "", set[int]()
    while extensions:
        kind = int.from_bytes(extensions.take(2), "big")
        value = extensions.vector(2)
        if kind in seen:
            raise _Broken
        seen.add(kind)
        if kind == _HIDDEN_HELLO:
            return Hello(refusal="the server's name is encrypted; switch Encrypted Client Hello off")
        if kind == _SERVER_NAME:
            name = _host_name(value)
    return Hello(name=name)


def _host_name(value: bytes) -> str:
    names = _Reader(_Reader(value).vector(2))
    if names.take(1) != b"\0":
        raise _Broken
    name = names.vector(2)
    if names or not name:
        raise _Broken
    return name.decode("ascii")
