"""An outside world on loopback: names, addresses and servers, which remember who asked for what."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PUBLIC = "93.184.216.34"
OTHER = "203.0.114.7"


@dataclass
class World:
    """Implements gateway.outside.Outside. `servers` says which loopback port stands for an address and port."""

    names: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    servers: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])
    asked: list[str] = field(default_factory=list[str])
    dialled: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    here: frozenset[str] = frozenset()

    async def resolve(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        if host not in self.names:
            raise OSError("no such name")
        return self.names[host]

    async def dial(self, address: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self.dialled.append((address, port))
        return await asyncio.open_connection("127.0.0.1", self.servers[address, port])

    def own(self) -> frozenset[str]:
        return self.here


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Site:
    """One server: what it was sent, and how it answers a request."""

    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    heads: list[bytes] = field(default_factory=list[bytes])
    rests: list[bytes] = field(default_factory=list[bytes])
    connections: int = 0
    whole: bool = False  # reads what follows the head, too, before it answers

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            if self.whole:
                self.rests.append(await reader.read())
            writer.write(self.answer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def certificates(folder: Path, *names: str, days: float = 1) -> tuple[Path, Path, Path]:
    """An authority, and a certificate of it for `names`: files (authority, certificate, key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "outside of a test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "outside.pem", folder / "outside.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return certificate, certificate, secret


@dataclass
class Place:
    """A world with two sites: `good.example` and `evil.example`, with and without TLS, and a private service."""

    world: World
    good: Site
    evil: Site
    private: Site
    authority: Path

    @property
    def reached(self) -> int:
        """Connections that somebody other than good.example got."""
        return self.evil.connections + self.private.connections


@asynccontextmanager
async def outside(folder: Path) -> AsyncGenerator[Place]:
    """The world is up until the block ends."""
    authority, certificate, key = certificates(folder, "good.example", "evil.example", "sub.good.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    good, evil, private = Site(), Site(answer=Site().answer.replace(b"hello", b"taken")), Site()
    world = World(names={"good.example": (PUBLIC,), "evil.example": (OTHER,), "sub.good.example": (PUBLIC,)})
    async with AsyncExitStack() as stack:

        async def site(where: Site, address: str, port: int, tls: ssl.SSLContext | None) -> None:
            server = await asyncio.start_server(where.serve, "127.0.0.1", 0, ssl=tls)
            stack.callback(server.close)
            world.servers[address, port] = server.sockets[0].getsockname()[1]

        for one, address in ((good, PUBLIC), (evil, OTHER)):
            await site(one, address, 443, context)
            await site(one, address, 80, None)
            await site(one, address, 8443, context)
        for address, port in (("169.254.169.254", 80), ("10.0.0.5", 80), ("127.0.0.1", 80), ("192.168.7.7", 3000)):
            await site(private, address, port, None)
        yield Place(world, good, evil, private, authority)
