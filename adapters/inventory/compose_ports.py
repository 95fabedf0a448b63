"""Which ports of the host a compose service is published on, in short and long spelling."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_SHORT = re.compile(
    r"(?:(?P<ip>\[[0-9a-fA-F:]+\]|\d{1,3}(?:\.\d{1,3}){3}|localhost):)?(?P<port>\d{1,5}):(?P<target>\d{1,5})(?:/(?P<proto>\w+))?"
)
_HIGHEST = 65_535


@dataclass(frozen=True)
class Published:
    """Host address and port, and the port inside."""

    host: str
    port: int
    target: int

    @property
    def url_host(self) -> str:
        """As it stands in a URL."""
        return f"[{self.host}]" if ":" in self.host else self.host


def published(raw: Any, interpolate: Callable[[str], str]) -> list[Published]:
    """Fixed TCP ports. Ranges, UDP and ports that the engine chooses give nothing."""
    rows: list[Any] = list(raw) if isinstance(raw, list) else []  # pyright: ignore[reportUnknownArgumentType]
    found: list[Published] = []
    for row in rows:
        if isinstance(row, dict):
            fields: dict[str, Any] = {str(k): v for k, v in row.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            ip, port = interpolate(str(fields.get("host_ip") or "")), interpolate(str(fields.get("published") or ""))
            target, proto = interpolate(str(fields.get("target") or "")), str(fields.get("protocol") or "tcp")
        else:
            match = _SHORT.fullmatch(interpolate(str(row)))
            if match is None:
                continue
            ip, port, target, proto = match["ip"] or "", match["port"], match["target"], match["proto"] or "tcp"
        if proto == "tcp" and _is_port(port) and _is_port(target):
            found.append(Published(_reachable(ip.strip("[]")), int(port), int(target)))
    return found


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text[:6]) <= _HIGHEST


def _reachable(ip: str) -> str:
    """The address under which a published port answers on this machine."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return "127.0.0.1"
    if address.is_unspecified:
        return "::1" if address.version == 6 and ip != "::" else "127.0.0.1"
    return str(address)
