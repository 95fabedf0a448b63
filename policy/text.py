"""Text that can leave the process: what JSON and UTF-8 cannot carry is replaced by a visible sign."""

import re

REPLACEMENT = "\ufffd"
_SURROGATE = re.compile("[\ud800-\udfff]")


SUMMARY_BYTES = 400  # the engine's limit; a server that holds to it refuses the whole start


def short(text: str, limit: int = SUMMARY_BYTES) -> str:
    """`text` cut to at most `limit` bytes of UTF-8, never within a character."""
    return sendable(text).encode()[:limit].decode(errors="ignore")


def sendable(text: str) -> str:
    """`text` with every lone surrogate as U+FFFD. One of them would make a whole message impossible to send."""
    return text if text.isascii() else _SURROGATE.sub(REPLACEMENT, text)
