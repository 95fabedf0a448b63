"""Bait: a credential that opens nothing, put where a thief would look. Seen outside, it tells of itself.

No task of a session needs it. So whoever carries it out has searched for credentials, whatever the words around it say.
"""

import base64
from collections.abc import Iterable

from domain.base import Value
from policy.redaction import spellings

RANDOM_BYTES = 40
_LEAST = 16  # characters; a shorter piece could be chance
PIECES = ("the name of the access key", "the secret of the access key")  # how people call what `Bait.values` gives


class Bait(Value):
    """Shaped like an access key of a large cloud, which every program that looks for keys knows."""

    id: str
    secret: str

    @property
    def values(self) -> tuple[str, str]:
        """What is looked for, in the order of PIECES."""
        return self.id, self.secret

    @property
    def environment(self) -> dict[str, str]:
        """As variables of the session."""
        return {"AWS_ACCESS_KEY_ID": self.id, "AWS_SECRET_ACCESS_KEY": self.secret}

    @property
    def file(self) -> str:
        """As the text of `.aws/credentials`."""
        return f"[default]\naws_access_key_id = {self.id}\naws_secret_access_key = {self.secret}\n"


def bait_of(random: bytes) -> Bait:
    """The bait that RANDOM_BYTES make."""
    secret = base64.b64encode(random[10:RANDOM_BYTES], altchars=b"xy").decode()
    return Bait(id="AKIA" + base64.b32encode(random[:10]).decode(), secret=secret)


def hold(incident: str) -> str:
    """Why no session works where another one was talked into stealing. `incident`: the open one of it, "" for none."""
    if not incident:
        return ""
    return (
        f"an earlier session that worked on this carried a credential outside ({incident}), so something that it read may"
        f" tell the next one to do the same. Find out what, close {incident}, then ask for a look"
    )


class BaitWatch:
    """Looks for bait in bytes, in every usual spelling."""

    def __init__(self, values: Iterable[str]) -> None:
        """`values`: those of `Bait.values`, or none."""
        self._spelled = [
            (spelled, piece)
            for value, piece in zip(values, PIECES, strict=False)
            for spelled in sorted({s.encode() for s in spellings(value) if len(s) >= _LEAST})
        ]
        self.longest = max((len(spelled) for spelled, _ in self._spelled), default=0)

    def seen(self, data: bytes) -> str:
        """Which piece of it is in there, one of PIECES; "" where none is."""
        for spelled, piece in self._spelled:  # faster by far than one pattern
            if spelled in data:
                return piece
        return ""


class BaitStream:
    """The same for bytes that come in pieces."""

    def __init__(self, watch: BaitWatch) -> None:
        self._watch = watch
        self._tail = b""

    def seen(self, data: bytes) -> str:
        """Which piece of it is there, now that these bytes follow the earlier ones; "" where none is."""
        whole = self._tail + data
        self._tail = whole[-self._watch.longest :] if self._watch.longest else b""
        return self._watch.seen(whole)
