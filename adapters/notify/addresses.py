"""The owner's list of Apprise addresses, taken apart without ever showing one."""

import re
from dataclasses import dataclass

_SCHEME = re.compile(r"\s*([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_BETWEEN = re.compile(r"[\r\n]+|,(?=\s*[a-z][a-z0-9+.-]*://)", re.IGNORECASE)  # a comma may also be inside an address


@dataclass(frozen=True, slots=True)
class Address:
    """One address. `channel` is how everybody else calls it: place in the list and scheme, nothing secret."""

    channel: str
    scheme: str
    url: str

    def __repr__(self) -> str:
        return f"Address({self.channel})"


def addresses(text: str) -> tuple[Address, ...]:
    """The addresses of a comma or newline separated list, in order. Lines that begin with `#` are remarks."""
    found: list[Address] = []
    for part in _BETWEEN.split(text):
        url = part.strip().strip(",").strip()
        if not url or url.startswith("#"):
            continue
        match = _SCHEME.match(url)
        scheme = match[1].lower() if match else ""
        found.append(Address(f"ch{len(found) + 1}-{scheme or 'unreadable'}", scheme, url))
    return tuple(found)
