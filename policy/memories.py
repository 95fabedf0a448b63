"""What a memory is worth at an instant, which ones are kept, and which ones a session is told.

Memories fade by time, not by runs: a busy week must not wear out what a quiet month would have kept. They come from
sessions that may have been lied to, so nothing here reads them; they are counted, compared and quoted.
"""

import math
import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta

from domain.base import Value
from domain.inventory import Inventory
from domain.memory import MAX_TEXT, Learned, Memory, MemoryRule, Recalled
from policy.bait import BaitWatch
from policy.text import printable, sendable

_NO_WORD = re.compile(r"[\W_]+")
_GAIN = 0.25  # of what is missing to certainty, whenever another incident teaches the same


class Admitted(Value):
    """What of a report is kept, and why the rest is not."""

    kept: tuple[Learned, ...] = ()
    refused: tuple[str, ...] = ()


def confidence_at(memory: Memory, now: datetime, rule: MemoryRule) -> float:
    """From 0 to 1. It halves with every half-life since the memory was last seen; a pinned one stays as it is."""
    if memory.pinned:
        return memory.confidence
    age = max(timedelta(0), now - memory.seen_at) / timedelta(days=rule.half_life_days)
    return memory.confidence * 0.5 ** min(age, 1000.0)


def recalled(memory: Memory, now: datetime, rule: MemoryRule) -> Recalled:
    """A memory as it is worth now."""
    days = max(timedelta(0), now - memory.seen_at) / timedelta(days=1)
    return Recalled(memory=memory, confidence=confidence_at(memory, now, rule), days=days)


def best(memories: Iterable[Memory], now: datetime, rule: MemoryRule) -> tuple[Recalled, ...]:
    """What a session is told: neither forgotten nor faded, the surest first, at most `rule.quoted`."""
    known = (recalled(m, now, rule) for m in memories if m.forgotten_at is None)
    alive = [r for r in known if r.memory.pinned or r.confidence >= rule.forget_below]
    return tuple(sorted(alive, key=lambda r: (-r.confidence, r.memory.id))[: rule.quoted])


def strengthened(now: float, stated: float) -> float:
    """The confidence of a memory that another incident teaches again."""
    surer = max(clipped(now), clipped(stated))
    return surer + (1.0 - surer) * _GAIN


def clipped(confidence: float) -> float:
    """From 0 to 1; what is no number is 0."""
    return 0.0 if math.isnan(confidence) else min(1.0, max(0.0, confidence))


def one_line(text: str) -> str:
    """A memory's text as it is kept: one line, without invisible marks, bounded."""
    return " ".join(printable(sendable(text)).split())[:MAX_TEXT].strip()


def same(text: str) -> str:
    """What two texts have in common that say the same: their words, whatever case, width and signs."""
    return _NO_WORD.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip() or text


def admitted(stated: Iterable[Learned], inventory: Inventory, bait: tuple[str, ...], rule: MemoryRule) -> Admitted:
    """Of what one session states: known services only, no bait, none twice, none too unsure, bounded."""
    kept: dict[tuple[str, str, str], Learned] = {}
    refused: list[str] = []
    watch = BaitWatch(bait)
    for one in stated:
        service = inventory.resolve(one.service) if one.service.strip() else None
        text, named, confidence = one_line(one.text), one_line(one.service), clipped(one.confidence)
        why = (
            "it holds the bait of its session" if watch.seen(f"{text}\n{named}".encode(errors="replace"))
            else f"no service of the inventory answers to '{named[:80]}'" if one.service.strip() and service is None
            else "it says nothing" if not text
            else f"it is less sure than {rule.forget_below:.2f}" if confidence < rule.forget_below
            else f"a session may state {rule.per_session}" if len(kept) >= rule.per_session
            else ""
        )  # fmt: skip
        if why:
            refused.append(why)
            continue
        found = Learned(service=service.id if service else "", category=one.category, text=text, confidence=confidence)
        kept.setdefault((found.service, found.category, same(text)), found)
    return Admitted(kept=tuple(kept.values()), refused=tuple(refused))
