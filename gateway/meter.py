"""Counts tokens from the bytes that pass by: a stream of server-sent events, or one JSON answer."""

import json
from collections.abc import Mapping
from typing import Any, cast

from policy.prices import Tokens

_DELTA = 78  # bytes of a delta event without its text
_BYTES_PER_TOKEN = 3  # errs on the dear side

MAX_LINE = 4 << 20  # a longer line is not parsed: only its tokens would be lost, never a byte of the stream


class Meter:
    """Feed it every byte of the answer, then ask for `tokens`. It never raises and never holds bytes back."""

    def __init__(self, *, stream: bool) -> None:
        self._stream = stream
        self._rest = bytearray()
        self._skipping = False
        self._seen: dict[str, int] = {}
        self._written = 0
        self.finished = False
        """The answer is whole: a stream's `message_stop`, or the figures of an answer in one piece, were seen."""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._rest += chunk
        if self._stream:
            self._lines()
        elif len(self._rest) > MAX_LINE:
            self._rest.clear()

    def close(self) -> None:
        """No more bytes come."""
        if not self._stream:
            usage = _mapping(_object(bytes(self._rest)).get("usage"))
            self._take(usage)
            self._written += len(self._rest)
            self.finished = bool(usage)
        self._rest.clear()

    def at_least(self, body_bytes: int) -> Tokens:
        """What an answer that was cut has cost, from what was seen of it. Never nothing: the API read the request."""
        seen = self.tokens
        return seen.model_copy(
            update={
                "input": seen.input if seen.prompt else -(-body_bytes // _BYTES_PER_TOKEN),
                "output": max(seen.output, -(-self._written // _BYTES_PER_TOKEN)),
            }
        )

    @property
    def tokens(self) -> Tokens:
        """What was counted so far."""
        get = self._seen.get
        one_hour = get("ephemeral_1h_input_tokens", 0)
        written = get("cache_creation_input_tokens", 0)
        return Tokens(
            input=get("input_tokens", 0),
            output=get("output_tokens", 0),
            cache_read=get("cache_read_input_tokens", 0),
            cache_write_1h=min(one_hour, written),
            cache_write_5m=max(written - one_hour, 0),
        )

    def _lines(self) -> None:
        while (end := self._rest.find(b"\n")) >= 0:
            line = bytes(self._rest[:end])
            del self._rest[: end + 1]
            if self._skipping:
                self._skipping = False
            elif line.startswith(b"data:"):
                self._event(line[5:])
        if len(self._rest) > MAX_LINE:
            self._rest.clear()
            self._skipping = True

    def _event(self, data: bytes) -> None:
        # Most events are text deltas; only these three matter, so the others are not even parsed.
        if b'"message_' not in data:
            self._written += max(len(data) - _DELTA, 1)
            return
        event = _object(data)
        kind = event.get("type")
        if kind == "message_start":
            self._take(_mapping(_mapping(event.get("message")).get("usage")))
        elif kind == "message_delta":
            self._take(_mapping(event.get("usage")))
        elif kind == "message_stop":
            self.finished = True
        else:
            self._written += max(len(data) - _DELTA, 1)

    def _take(self, usage: Mapping[str, Any]) -> None:
        # Later figures replace earlier ones: message_delta carries running totals, not additions.
        flat = {**usage, **_mapping(usage.get("cache_creation"))}
        for name, value in flat.items():
            if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                self._seen[name] = value


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(data))
    except ValueError:
        return {}


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
