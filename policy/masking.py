"""Masks secrets in what has structure: settings by their names, command lines by their flags, paths by their words.

Redaction of text (policy/redaction.py) cannot see that `hunter2` is a secret; the name beside it says so.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, cast

from policy.text import printable

MASK = "***"
_DEPTH = 24

_NAME = re.compile(
    r"(?i)pass(?:word|wd|phrase|code)?(?![a-z]{4})|secret|token(?!s)|(?:api|private|access|auth|encryption|signing|master)[_.-]?key"
    r"|credential|(?<![a-z])auth(?!or)|dsn|cookie|jwt|salt|webhook|(?<![a-z])pwd|_key$|^key$"
)
_FLAG = re.compile(r"(?i)^--?[a-z0-9_.-]*(?:pass|secret|token|key|credential|auth)[a-z0-9_.-]*$")
_FLAG_IN_LINE = re.compile(
    r"(?i)((?:^|\s)--?[a-z0-9_.-]{0,60}(?:pass|secret|token|key|credential|auth)[a-z0-9_.-]{0,60}(?:\s+|=))(\"[^\"]*\"|'[^']*'|\S+)"
)
_PATH = re.compile(
    r"(?i)secret|passw|token|credential|\.ssh|id_rsa|id_ed25519|id_ecdsa|\.pem$|\.key$|\.p12$|\.env$|private"
)
_PROGRAM_FLAGS = {"mysql": "-p", "mysqldump": "-p", "mariadb": "-p", "redis-cli": "-a", "sshpass": "-p"}


@lru_cache(maxsize=4096)
def secret_name(name: str) -> bool:
    """Whether a setting, label or variable of this name usually holds a secret."""
    return _NAME.search(name) is not None


def masked_path(path: str) -> str:
    """The path, or its last harmless folder where it leads to a secret."""
    return MASK if _PATH.search(path) else path


def masked_assignment(line: str) -> str:
    """`NAME=value` without its value."""
    return f"{line.partition('=')[0]}={MASK}"


def masked_command(words: Sequence[str], redact: Callable[[str], str]) -> list[str]:
    """A command line, word by word, without the values of flags that take a secret."""
    shown: list[str] = []
    hide = False
    short = _PROGRAM_FLAGS.get(words[0].rpartition("/")[2] if words else "")
    for word in words:
        if hide:
            shown.append(MASK)
            hide = False
            continue
        name, is_assigned, _ = word.partition("=")
        if is_assigned and secret_name(name):
            shown.append(masked_assignment(word))
        elif short and word.startswith(short) and word != short:
            shown.append(short + MASK)
        else:
            hide = _FLAG.match(word) is not None or word == short
            shown.append(redact(_FLAG_IN_LINE.sub(rf"\1{MASK}", printable(word))))
    return shown


def masked(value: Any, redact: Callable[[str], str], depth: int = 0) -> Any:
    """JSON with every text redacted and every value masked whose name looks like a secret's."""
    if depth > _DEPTH:
        return MASK
    if isinstance(value, str):
        return redact(printable(value)) if value else value
    if isinstance(value, list):
        return [masked(v, redact, depth + 1) for v in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {
            redact(printable(str(k))): MASK
            if v and _is_plain(v) and secret_name(str(k))
            else masked(v, redact, depth + 1)
            for k, v in cast("dict[Any, Any]", value).items()
        }
    return value


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
