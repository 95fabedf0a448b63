"""Text that can leave the process: what JSON and UTF-8 cannot carry is replaced by a visible sign."""

import re
import unicodedata

REPLACEMENT = "\ufffd"
_SURROGATE = re.compile("[\ud800-\udfff]")


SUMMARY_BYTES = 400  # the engine's limit; a server that holds to it refuses the whole start


def short(text: str, limit: int = SUMMARY_BYTES) -> str:
    """`text` cut to at most `limit` bytes of UTF-8, never within a character."""
    return sendable(text).encode()[:limit].decode(errors="ignore")


def sendable(text: str) -> str:
    """`text` with every lone surrogate as U+FFFD. One of them would make a whole message impossible to send."""
    return text if text.isascii() else _SURROGATE.sub(REPLACEMENT, text)


def some(number: int, one: str, many: str = "") -> str:
    """`1 service`, `2 services`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


# CSI and OSC sequences of terminals, bounded: a lone opening must not swallow a whole log.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-9;:<=>?]{0,64}[ -/]{0,8}[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]{0,512}(?:\x07|\x1b\\|\x9c)|\x1b[ -/]{0,4}[0-~]"
)
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs"})


def printable(text: str) -> str:
    """`text` without terminal sequences, control characters and invisible marks; tabs and line ends stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c for c in _ESCAPES.sub("", text) if c in "\n\t" or unicodedata.category(c) not in _HIDDEN)
