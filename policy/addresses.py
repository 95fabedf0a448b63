"""Where a connection that a session asks for may lead: not to this machine, private networks or metadata services.

A place that the inventory declares, host and port, is the exception, but metadata services are never reached.
A name is judged by the addresses that it was found to have, and the connection must go to the address given back here.
Asking for the name again would give its owner a second answer.
"""

import ipaddress
import re
from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from domain.base import Value
from domain.health import DnsProbe, HttpProbe, PostgresProbe, RedisProbe, TcpProbe, TlsProbe
from domain.inventory import Inventory

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Place = tuple[str, int]  # host as `plain_host` gives it, and port

METADATA = tuple(
    ipaddress.ip_network(n)
    for n in (
        "169.254.0.0/16", "fe80::/10", "fd00:ec2::/32",  # AWS, Google, Azure and most others
        "100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32",  # Alibaba, Oracle, Azure's wire server
        "fd20:ce::/32",  # Google
    )
)  # fmt: skip
# What is_global of some Python versions takes for public. Also whatever carries an IPv4 address inside.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(n)
    for n in (
        "0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "224.0.0.0/3",
        "64:ff9b::/96", "64:ff9b:1::/48", "2001::/23", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10",
    )
)  # fmt: skip
_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMERIC = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)")


class Way(Value):
    """`address`: the one to connect to, without asking for the name again; "" where `reason` refuses."""

    address: str = ""
    reason: str = ""


def plain_host(text: str) -> str:
    """The one spelling of a host: lower case, without brackets and final dot; "" where it is none.

    Numbers in other forms than 1.2.3.4 (127.1, 0x7f000001, 2130706433, 0177.0.0.1), zones and non-ASCII are none.
    """
    if not text.isascii() or len(text) > 255:
        return ""
    bare = text.lower()
    if bare.startswith("[") or ":" in bare:
        inner = bare[1:-1] if bare.startswith("[") and bare.endswith("]") else bare
        try:
            return str(ipaddress.IPv6Address(inner)) if "%" not in inner else ""
        except ValueError:
            return ""
    labels = bare.removesuffix(".").split(".")
    if _NUMERIC.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(bare))
        except ValueError:
            return ""
    return ".".join(labels) if all(_LABEL.fullmatch(label) for label in labels) else ""


def is_address(host: str) -> bool:
    """Whether a plain host is an address and no name."""
    return ":" in host or bool(_NUMERIC.fullmatch(host.rpartition(".")[2]))


def declared_places(inventory: Inventory) -> frozenset[Place]:
    """Every host and port that a probe of the inventory names."""
    found: set[Place] = set()
    for service in inventory.services:
        for probe in service.probes:
            match probe:
                case HttpProbe():
                    found.add(place_of(probe.url))
                case TcpProbe() | TlsProbe() | PostgresProbe() | RedisProbe():
                    found.add((plain_host(probe.host), probe.port))
                case DnsProbe(server=server) if server:
                    found.add((plain_host(server), probe.port))
                case _:
                    pass
    return frozenset(place for place in found if all(place))


def place_of(url: str) -> Place:
    """Host and port of a web address; ("", 0) where it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
        return plain_host(parts.hostname or ""), port
    except ValueError:
        return "", 0


def judge_way(
    host: str, port: int, found: Sequence[str], declared: Collection[Place], own: Collection[str] = ()
) -> Way:
    """Whether a connection to `host` may be made, and to which of the addresses that it was `found` to have.

    `found` is the host itself where that is an address. `own`: addresses of this machine, public ones too. One wrong
    address among several refuses all: who answers so means to be asked again.
    """
    name = plain_host(host)
    if not name:
        return Way(reason=f"{host[:80]!r} is no plain host name or address")
    if not found:
        return Way(reason=f"{name} has no address")
    try:
        addresses = [ipaddress.ip_address(text) for text in found]
    except ValueError:
        return Way(reason=f"{name} was found to have something that is no address")
    mine = _addresses(own)
    is_declared = (name, port) in declared
    for address in addresses:
        reason = _refusal(address, mine, is_declared=is_declared)
        if reason:
            return Way(reason=f"{name} leads to {address}, {reason}")
    return Way(address=str(addresses[0]))


def is_public(address: Address) -> bool:
    """Whether an address is one of the Internet, and carries no other address inside."""
    if any(address in network for network in (*METADATA, *_NOT_PUBLIC) if network.version == address.version):
        return False
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_V6:
        return False
    return address.is_global and not address.is_multicast


def _refusal(address: Address, mine: frozenset[Address], *, is_declared: bool) -> str:
    every = {address, *_inside(address)}
    if any(a in network for a in every for network in METADATA if network.version == a.version):
        return "which is for metadata of machines: never reached"
    if any(a.is_multicast or a.is_unspecified for a in every):
        return "which is no single machine: never reached"
    if is_declared:
        return ""
    if every & mine:
        return "which is this machine; declare host and port in the inventory if sessions shall reach it"
    if not all(is_public(a) for a in every):
        return "which is private; declare host and port in the inventory if sessions shall reach it"
    return ""


def _inside(address: Address) -> tuple[Address, ...]:
    """IPv4 addresses that an IPv6 address stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    low = int(address) & 0xFFFFFFFF
    if any(address in ipaddress.ip_network(n) for n in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")):
        found.append(ipaddress.IPv4Address(low))
    return tuple(a for a in found if a is not None)


def _addresses(texts: Collection[str]) -> frozenset[Address]:
    return frozenset(ipaddress.ip_address(text) for text in texts)
