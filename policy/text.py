"""Text that can leave the process: what JSON and UTF-8 cannot carry is replaced by a visible sign."""

import re

REPLACEMENT = "\ufffd"
_SURROGATE = re.compile("[\ud800-\udfff]")


def sendable(text: str) -> str:
    """`text` with every lone surrogate as U+FFFD. One of them would make a whole message impossible to send."""
    return text if text.isascii() else _SURROGATE.sub(REPLACEMENT, text)
