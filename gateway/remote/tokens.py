"""Tokens of remote sessions: `<session>.tds_<random>`. Only a hash is kept; the random part is known to one relay."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import datetime

from domain.base import Value
from domain.ids import SessionId

RANDOM_BYTES = 32
_TOKEN = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,63})\.(tds_[A-Za-z0-9_-]{43})")


class Kept(Value):
    """What the gateway keeps of a token."""

    sha256: str
    ends_at: datetime


def make(session: SessionId, random: Callable[[int], bytes]) -> str:
    """A new token of a session."""
    return f"{session}.tds_{base64.urlsafe_b64encode(random(RANDOM_BYTES)).decode().rstrip('=')}"


def kept(token: str, ends_at: datetime) -> Kept:
    """All that may be written down of it."""
    return Kept(sha256=hash_of(token), ends_at=ends_at)


def session_of(token: str) -> SessionId:
    """Whose it claims to be; "" where it is none."""
    found = _TOKEN.fullmatch(token)
    return SessionId(found.group(1) if found else "")


def fits(token: str, known: Kept | None, now: datetime) -> bool:
    """Whether it opens the door. As slow for a door that does not exist as for one that does."""
    same = hmac.compare_digest(hash_of(token), known.sha256 if known else hash_of(""))
    return known is not None and same and now < known.ends_at


def same_secret(given: str, secret: str) -> bool:
    """Compare two secrets without telling by the time how far they agree. An empty one fits nothing."""
    return hmac.compare_digest(hash_of(given), hash_of(secret)) and bool(secret)


def hash_of(text: str) -> str:
    """SHA-256 as hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
