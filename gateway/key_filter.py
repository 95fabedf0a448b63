"""Takes the owner's credential out of what the model API answers, also where it is torn over several pieces."""

import re

from policy.redaction import MASK, spellings


class KeyFilter:
    """The spellings of one secret, compiled once. `stream()` begins one answer."""

    def __init__(self, secret: str) -> None:
        # An answer is text; of a spelling that another one holds only the shorter is needed.
        found = sorted({s.encode() for s in spellings(secret)} if len(secret) >= 8 else set(), key=len)
        self._spelled = [s for n, s in enumerate(found) if not any(shorter in s for shorter in found[:n])]
        self._exact = re.compile(b"|".join(re.escape(s) for s in self._spelled)) if self._spelled else None
        self._bytes = frozenset(b"".join(self._spelled))
        self._longest = max(map(len, self._spelled), default=0)

    def stream(self) -> "FilteredStream":
        """For one answer."""
        return FilteredStream(self)

    def clean(self, data: bytes) -> bytes:
        """All of it, at once."""
        return self._exact.sub(MASK.encode(), data) if self._exact else data

    def text(self, value: str) -> str:
        """A header's value."""
        return self.clean(value.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")

    def begun(self, data: bytes) -> int:
        """How many of the last bytes could be the beginning of a spelling. Usually the last byte says: none."""
        if not data or data[-1] not in self._bytes:
            return 0
        tail = data[-(self._longest - 1) :]
        return max((_overlap(tail, s) for s in self._spelled), default=0)


class FilteredStream:
    """Bytes in, bytes out: what could be the beginning of the secret is held back until the next piece decides."""

    def __init__(self, key: KeyFilter) -> None:
        self._key = key
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """What may go on now."""
        data = self._key.clean(self._held + chunk if self._held else chunk)
        keep = self._key.begun(data)
        self._held = data[len(data) - keep :] if keep else b""
        return data[: len(data) - keep] if keep else data

    def rest(self) -> bytes:
        """What was held back at the end: it was only a beginning."""
        held, self._held = self._held, b""
        return held


def _overlap(tail: bytes, spelled: bytes) -> int:
    """The longest end of `tail` that is a beginning of `spelled`."""
    start = max(0, len(tail) - len(spelled) + 1)
    while (at := tail.find(spelled[:1], start)) >= 0:
        if spelled.startswith(tail[at:]):
            return len(tail) - at
        start = at + 1
    return 0
