"""Regular expressions from repositories: a small set of them that cannot take long.

Python's matcher can be made to run for years by a pattern such as `(a+)+$`, and it holds the whole process meanwhile.
"""

import re
from importlib import import_module
from typing import Any

# The standard library's own parser: the only one that is sure to read a pattern as the matcher does.
parser: Any = import_module("re._parser")
codes: Any = import_module("re._constants")

MAX_PATTERN = 200
MAX_REPEATS = 2


def compile_safe(pattern: str) -> re.Pattern[str]:
    """Compile, or raise ValueError that says what to change."""
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"the pattern is longer than {MAX_PATTERN} characters")
    try:
        tree: Any = parser.parse(pattern)
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as e:
        raise ValueError(f"the pattern is no regular expression ({e})") from e
    if _repeats(tree, inside=False) > MAX_REPEATS:
        raise ValueError(f"the pattern has more than {MAX_REPEATS} repetitions; write it more plainly")
    return compiled


def _repeats(tree: Any, *, inside: bool) -> int:
    """Count repetitions; one inside another, or a choice inside one, is refused."""
    total = 0
    for code, argument in tree:
        repeat = code in {codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT}
        if inside and (repeat or code is codes.BRANCH):
            raise ValueError("the pattern repeats a repetition or a choice; write it more plainly")
        if code in {codes.GROUPREF, codes.GROUPREF_EXISTS}:
            raise ValueError("the pattern refers back to a group; write it more plainly")
        total += repeat and argument[1] > 1
        total += sum(_repeats(sub, inside=inside or (repeat and argument[1] > 1)) for sub in _below(argument))
    return total


def _below(argument: Any) -> list[Any]:
    if isinstance(argument, parser.SubPattern):
        return [argument]
    if isinstance(argument, tuple | list):
        parts: list[Any] = list(argument)  # pyright: ignore[reportUnknownArgumentType]
        return [sub for part in parts for sub in _below(part)]
    return []
