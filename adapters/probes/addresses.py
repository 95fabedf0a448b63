"""Which addresses a probe may talk to, and name resolution that cannot be turned against that rule.

A declared host is the word of a repository. Link-local and metadata addresses hand out credentials of the machine to
whoever asks, so no probe reaches them, neither by literal nor through a name that resolves there.
"""

import asyncio
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult

_BLOCKED = tuple(
    ipaddress.ip_network(n)
    for n in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::/32",
        "fd20:ce::/32",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
        "0.0.0.0/8",
        "224.0.0.0/4",
        "ff00::/8",
        "::/128",
    )
)


class BlockedAddressError(OSError):
    """The address is one that no probe may reach."""


class UnresolvedError(OSError):
    """The name has no address."""


def is_blocked(address: str) -> bool:
    """Whether a numeric address is off limits, in whatever form it is wrapped."""
    try:
        ip = ipaddress.ip_address(address.split("%", 1)[0])
    except ValueError:
        return False
    return any(wrapped in net for wrapped in _unwrapped(ip) for net in _BLOCKED if wrapped.version == net.version)


def _unwrapped(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    found = [ip]
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner:
            found.append(inner)
        if ip in ipaddress.ip_network("64:ff9b::/96"):
            found.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return found


class Addresses:
    """Resolves names in threads of its own: a dead name server delays names, never the probes of numeric hosts."""

    def __init__(self, threads: int = 24) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="probe-names")
        self._running: dict[tuple[str, int], asyncio.Task[list[str]]] = {}

    async def resolve(self, host: str, family: int = socket.AF_UNSPEC) -> list[str]:
        """Numeric addresses of `host`, first choice first. Raises BlockedAddressError or UnresolvedError."""
        key = (host, family)
        task = self._running.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._lookup(host, family))
            self._running[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        found = await asyncio.shield(task)
        if any(is_blocked(a) for a in found):
            raise BlockedAddressError(
                f"{host} is or resolves to a link-local or metadata address, which no probe may reach"
            )
        return found

    def _finished(self, key: tuple[str, int], task: asyncio.Task[list[str]]) -> None:
        self._running.pop(key, None)
        if not task.cancelled():
            task.exception()  # every waiter may have timed out: without this, asyncio logs it as never retrieved

    async def _lookup(self, host: str, family: int) -> list[str]:
        try:
            return [str(ipaddress.ip_address(host.strip("[]")))]
        except ValueError:
            pass
        loop = asyncio.get_running_loop()
        try:
            rows = await loop.run_in_executor(
                self._pool, lambda: socket.getaddrinfo(host, None, family, socket.SOCK_STREAM)
            )
        except (OSError, UnicodeError) as e:
            raise UnresolvedError(f"the name {host} has no address ({e})") from e
        return list(dict.fromkeys(str(row[4][0]) for row in rows))

    def close(self) -> None:
        """Let go of the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class GuardedResolver(AbstractResolver):
    """aiohttp's view of `Addresses`."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Rows for aiohttp's connector."""
        found = await self._addresses.resolve(host, family)
        return [
            ResolveResult(
                hostname=host,
                host=a,
                port=port,
                family=socket.AF_INET6 if ":" in a else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for a in found
        ]

    async def close(self) -> None:
        """The shared resolver outlives one HTTP session."""
