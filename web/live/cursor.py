"""Where a reader stands in the logs that it follows: `<session>:<attempt>:<seq>`, several joined by commas.

It is the `id:` of every event, so an automatic reconnect tells us exactly what was seen last.
"""

import re
from typing import NamedTuple

MAX_LOGS = 8
_ONE = re.compile(r"([A-Za-z0-9-]{1,64}):(\d{1,6}):(\d{1,15})")


class LogKey(NamedTuple):
    """One process of a session, the unit that lines are numbered in."""

    session: str
    attempt: int

    def __str__(self) -> str:
        return f"{self.session}:{self.attempt}"


Cursors = dict[LogKey, int]


def parse(text: str) -> Cursors:
    """Read a cursor; what cannot be read is left out, so an old or foreign id starts from the page's own place."""
    found: Cursors = {}
    for part in text.split(",")[:MAX_LOGS]:
        match = _ONE.fullmatch(part.strip())
        if match:
            found[LogKey(match.group(1), int(match.group(2)))] = int(match.group(3))
    return found


def write(cursors: Cursors) -> str:
    """The text form, in a fixed order."""
    return ",".join(f"{key}:{seq}" for key, seq in sorted(cursors.items()))
