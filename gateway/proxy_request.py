"""The head of a request that is meant for elsewhere: where to, and what is passed on."""

import re

from domain.base import Value
from policy.addresses import plain_host

MAX_HEAD = 16 << 10
_METHOD = re.compile(rb"[A-Z]{1,16}")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}):[ \t]*([\x20-\x7e\x80-\xff\t]*)")
_PATH = re.compile(rb"[\x21-\x22\x24-\x7e]*")  # no blank, no fragment
_OURS = frozenset({b"host", b"connection", b"keep-alive", b"te", b"trailer", b"upgrade", b"transfer-encoding"})


class Wanted(Value):
    """`tunnel`: CONNECT. Otherwise `head` is what goes to the server, followed by `body` bytes of the client."""

    host: str
    port: int
    tunnel: bool
    head: bytes = b""
    body: int = 0


def read_request(head: bytes) -> Wanted | str:
    """The head up to its empty line. A text says what is wrong with it."""
    first, *lines = head.lstrip(b"\r\n").removesuffix(b"\r\n\r\n").split(b"\r\n")
    parts = first.split(b" ")
    fields = [_FIELD.fullmatch(line) for line in lines]
    if len(parts) != 3 or parts[2] not in {b"HTTP/1.1", b"HTTP/1.0"} or not _METHOD.fullmatch(parts[0]):
        return "this is no request of HTTP/1.1"
    if None in fields:
        return "a header of the request is malformed"
    pairs = [(f.group(1).lower(), f.group(2).strip()) for f in fields if f is not None]
    if parts[0] == b"CONNECT":
        place = _place(parts[1], 0)
        return Wanted(host=place[0], port=place[1], tunnel=True) if place else "write CONNECT host:port"
    return _plain(parts[0], parts[1], pairs)


def _plain(method: bytes, target: bytes, pairs: list[tuple[bytes, bytes]]) -> Wanted | str:
    scheme, _, rest = target.partition(b"://")
    if scheme.lower() != b"http":
        return "https goes through a tunnel: use CONNECT"
    cut = re.search(rb"[/?]", rest)
    authority, path = (rest[: cut.start()], rest[cut.start() :]) if cut else (rest, b"/")
    place = _place(authority, 80)
    if place is None or not _PATH.fullmatch(path):
        return "the address of the request is malformed"
    if any(name == b"transfer-encoding" for name, _ in pairs):
        return "send the body with its length, not in chunks"
    lengths = {value for name, value in pairs if name == b"content-length"}
    if len(lengths) > 1 or not all(v.isdigit() and len(v) < 16 for v in lengths):
        return "the length of the body is malformed"
    host, port = place
    shown = f"[{host}]" if ":" in host else host
    kept = [(n, v) for n, v in pairs if n not in _OURS and not n.startswith(b"proxy-")]
    lines = [
        method + b" " + (path if path.startswith(b"/") else b"/" + path) + b" HTTP/1.1",
        b"host: " + (shown if port == 80 else f"{shown}:{port}").encode(),
        *(name + b": " + value for name, value in kept),
        b"connection: close",
    ]
    body = int(next(iter(lengths), b"0"))
    return Wanted(host=host, port=port, tunnel=False, head=b"\r\n".join(lines) + b"\r\n\r\n", body=body)


def _place(authority: bytes, usual: int) -> tuple[str, int] | None:
    """Plain host and port, or None. `usual` 0: the port must be written."""
    if not authority.isascii() or b"@" in authority:
        return None
    text = authority.decode()
    bracket = text.endswith("]") or ":" not in text
    name, port = (text, "") if bracket else (text.rpartition(":")[0], text.rpartition(":")[2])
    host = plain_host(name)
    if not bracket and not (port.isdigit() and len(port) < 6):
        return None
    number = int(port) if port else usual
    return (host, number) if host and 0 < number < 65536 else None
