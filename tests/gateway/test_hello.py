"""The first message of real TLS clients, whole, in pieces, and broken."""

import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.hello import read_hello


def hello(name: str | None) -> bytes:
    """What Python's own client says first."""
    context = ssl.create_default_context()
    context.check_hostname = False
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


REAL = hello("api.good.example")


def records(message: bytes, sizes: list[int]) -> bytes:
    """The same message in several records."""
    out = b""
    for size in [*sizes, len(message)]:
        part, message = message[:size], message[size:]
        if part:
            out += b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part
    return out


def with_extension(kind: int, value: bytes) -> bytes:
    """A hello with this one extension."""
    extension = kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value
    body = (
        b"\x03\x03" + bytes(32) + b"\0" + b"\0\x02\x13\x01" + b"\x01\0" + len(extension).to_bytes(2, "big") + extension
    )
    return records(b"\x01" + len(body).to_bytes(3, "big") + body, [])


def test_the_name_is_read() -> None:
    found = read_hello(REAL)
    assert found is not None
    assert (found.name, found.refusal) == ("api.good.example", "")
    nobody = read_hello(hello(None))
    assert nobody is not None
    assert (nobody.name, nobody.refusal) == ("", "")


def test_every_beginning_waits_for_the_rest() -> None:
    assert all(read_hello(REAL[:n]) is None for n in range(len(REAL)))


@given(st.lists(st.integers(1, 80), max_size=12))
def test_a_message_in_many_records_is_the_same_message(sizes: list[int]) -> None:
    found = read_hello(records(REAL[5:], sizes))
    assert found is not None
    assert found.name == "api.good.example"


@pytest.mark.parametrize(
    "data",
    [
        with_extension(0xFE0D, b"\0" * 20),  # Encrypted Client Hello
        with_extension(0, b"\0\x0c\0\0\x03a.b\0\0\x03c.d"),  # two names
        with_extension(0, b"\0\x06\x01\0\x03a.b"),  # a name of another kind
        with_extension(0, b"\0\x03\0\0\0"),  # an empty name
        with_extension(0, "\0\x06\0\0\x03bü".encode("latin-1")),
        b"GET / HTTP/1.1\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",  # a message without end
    ],
)
def test_what_hides_or_doubles_the_name_or_is_no_hello_is_refused(data: bytes) -> None:
    found = read_hello(data)
    assert found is not None
    assert found.refusal


@given(st.binary(max_size=300), st.integers(0, 300), st.integers(0, 255))
@settings(max_examples=300)
def test_nothing_breaks_it(junk: bytes, at: int, value: int) -> None:
    changed = bytearray(REAL)
    changed[at % len(changed)] = value
    for data in (junk, b"\x16\x03\x01" + junk, bytes(changed), bytes(changed) + junk):
        read_hello(data)
