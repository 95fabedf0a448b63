"""Memories: short notes about one service or about all of it, from reports of sessions and from people.

A memory is never more than a quotation. It offers no action, names no place to go to, and changes no limit.
"""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from domain.base import Value
from domain.ids import MemoryId

MAX_TEXT = 300  # characters
MAX_STATED = 5  # of one report; what comes after is left out


class MemoryCategory(StrEnum):
    """What a memory is about."""

    TIMING = "timing"  # when something happens by itself
    DEPENDENCY = "dependency"  # what needs what
    BEHAVIOUR = "behaviour"  # what looks wrong and is usual here
    REMEDY = "remedy"  # what helped, and what did not
    PLACE = "place"  # where files, settings and logs are


class Learned(Value):
    """One memory as a session states it in its report."""

    service: str = ""  # a name of the inventory; "" for what is true of all of it
    category: MemoryCategory
    text: str = Field(max_length=MAX_TEXT)
    confidence: float = 0.5  # 0 to 1; what lies outside is clipped


class MemoryRule(Value):
    """How memories fade, and how many there may be."""

    half_life_days: float = 30.0
    forget_below: float = 0.2
    per_session: int = MAX_STATED
    per_service: int = 40
    in_all: int = 2000
    quoted: int = 8  # at most, in one session's briefing


class Memory(Value):
    """One memory as the record holds it."""

    id: MemoryId
    service: str  # canonical id, or ""
    category: MemoryCategory
    text: str
    confidence: float  # at `seen_at`; what it is worth later, policy/memories.py says
    times: int = 1  # incidents that taught it
    pinned: bool = False  # does not fade
    session: str = ""  # that stated it last; "" where a person wrote it
    incident: str = ""  # of that session
    author: str = ""  # who wrote or last changed it; "" where no person did
    created_at: datetime
    seen_at: datetime
    forgotten_at: datetime | None = None  # by a person: kept, so that sessions do not bring it back
    forgotten_by: str = ""


class Recalled(Value):
    """A memory with what it is worth at one moment."""

    memory: Memory
    confidence: float
    days: float  # since it was last seen
