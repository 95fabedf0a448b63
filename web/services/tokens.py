"""What people and programs show to come in: cookies, keys, one-time codes. The record holds their sha256 only."""

import base64
import hashlib
from collections.abc import Callable

from config.settings import Settings

Random = Callable[[int], bytes]  # that many unpredictable bytes
KEY_MARK = "tcl"


def sealed(secret: str) -> str:
    """What is stored of a secret that is long enough that nobody can try all (128 bits and more)."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_token(random: Random) -> str:
    """256 bits for a cookie."""
    return base64.urlsafe_b64encode(random(32)).rstrip(b"=").decode()


def new_code(random: Random) -> str:
    """100 bits that a person can type: `K7QXA-2MPNB-...`, four groups."""
    text = base64.b32encode(random(13)).decode()[:20]
    return "-".join(text[i : i + 5] for i in range(0, 20, 5))


def plain_code(typed: str) -> str:
    """A code as it was made, however it was typed."""
    text = "".join(c for c in typed.upper() if c.isascii() and c.isalnum())[:64]
    return "-".join(text[i : i + 5] for i in range(0, len(text), 5))


def new_key(random: Random) -> tuple[str, str]:
    """The part of a key that lists show, and the whole key."""
    shown = f"{KEY_MARK}_{random(5).hex()}"
    return shown, f"{shown}_{new_token(random).replace('_', '-')}"


def shown_part(key: str) -> str:
    """The part of a whole key that finds it; "" for what is no key of ours."""
    mark, _, rest = key.partition("_")
    shown, separator, secret = rest.partition("_")
    return (
        f"{mark}_{shown}" if mark == KEY_MARK and separator and secret and len(shown) == 10 and shown.isalnum() else ""
    )


def setup_link(settings: Settings, code: str) -> str:
    """Where a one-time code is used."""
    return f"{settings.people_url}/setup?code={code}"
