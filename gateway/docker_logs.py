"""A container's log stream, taken apart, redacted line by line and kept within bounds: the newest lines win."""

import re
from collections import deque
from collections.abc import Callable

from policy.redaction import LineRedactor
from policy.text import printable

STDOUT, STDERR = 1, 2
MAX_LINE = 16_000  # characters of one line
_LOOKAHEAD = 2_000  # a line is redacted before it is cut, so that half a secret is never what is left
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT[0-9:.]{8,20}(?:Z|[+-]\d\d:\d\d) ")


class LogLines:
    """Fed with the engine's bytes, keeps redacted lines of at most `limit` bytes together.

    `tty`: the stream has no frames. `stamped`: every frame begins with a time, also one that only goes on with a line.
    """

    def __init__(self, redact: Callable[[str], str], *, tty: bool, stamped: bool, limit: int) -> None:
        self._tty, self._stamped, self._limit = tty, stamped, limit
        self._redactors = {s: LineRedactor(redact) for s in (STDOUT, STDERR)}
        self._open = {s: bytearray() for s in (STDOUT, STDERR)}
        self._over = {STDOUT: 0, STDERR: 0}  # bytes of the open line that were let go
        self._raw = bytearray()
        self._kept: deque[tuple[int, str]] = deque()
        self._kept_bytes = 0
        self.seen_bytes = 0  # of redacted text, whether kept or not

    def feed(self, data: bytes) -> None:
        """The next bytes, cut anywhere."""
        if self._tty:
            self._text(STDOUT, data)
            return
        self._raw += data
        while len(self._raw) >= 8:
            size = int.from_bytes(self._raw[4:8], "big")
            stream = STDERR if self._raw[0] == STDERR else STDOUT
            if len(self._raw) < 8 + size:
                if size > 1 << 20:  # no engine writes such a frame: not a log stream
                    self._raw.clear()
                return
            frame = bytes(self._raw[8 : 8 + size])
            del self._raw[: 8 + size]
            if self._stamped and (self._open[stream] or self._over[stream]):
                frame = _STAMP.sub(b"", frame, count=1) if _STAMP.match(frame) else frame
            self._text(stream, frame)

    def end(self) -> list[tuple[int, str]]:
        """What is kept, oldest first, without line ends."""
        for stream in (STDOUT, STDERR):
            if self._open[stream] or self._over[stream]:
                self._close(stream)
        return list(self._kept)

    @property
    def cut(self) -> str:
        """What a reader must be told, or ""."""
        if self.seen_bytes <= self._kept_bytes:
            return ""
        return f"cut: {self._kept_bytes} of {self.seen_bytes} bytes, the newest; ask for fewer lines or a shorter time"

    def _text(self, stream: int, data: bytes) -> None:
        first, *rest = data.split(b"\n")
        self._more(stream, first)
        for piece in rest:
            self._close(stream)
            self._more(stream, piece)

    def _more(self, stream: int, piece: bytes) -> None:
        room = MAX_LINE + _LOOKAHEAD - len(self._open[stream])
        self._open[stream] += piece[: max(room, 0)]
        self._over[stream] += max(len(piece) - max(room, 0), 0)

    def _close(self, stream: int) -> None:
        raw, over = bytes(self._open[stream]), self._over[stream]
        self._open[stream].clear()
        self._over[stream] = 0
        text = printable(raw.decode("utf-8", "replace").rstrip("\r").replace("\r", "\n")).replace("\n", " ")
        line = self._redactors[stream].line(text)
        if over or len(line) > MAX_LINE:
            line = f"{line[:MAX_LINE]} [cut: {len(raw) + over} bytes in one line]"
        size = len(line.encode("utf-8", "replace")) + 1
        self.seen_bytes += size + over
        self._kept.append((stream, line))
        self._kept_bytes += size
        while self._kept_bytes > self._limit and len(self._kept) > 1:
            _, gone = self._kept.popleft()
            self._kept_bytes -= len(gone.encode("utf-8", "replace")) + 1
