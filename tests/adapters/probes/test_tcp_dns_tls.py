import asyncio
import ssl
from datetime import timedelta
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adapters.probes.patterns import compile_safe
from domain.health import DnsProbe, ProbeStatus, TcpProbe, TlsProbe
from tests.adapters.probes.conftest import NOW, MakeRunner, service, silent, tcp_server


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example ")
    await writer.drain()
    await asyncio.sleep(0.02)
    writer.write(b"ESMTP ready\r\n")
    await writer.drain()
    await reader.read()


@pytest.mark.parametrize(
    ("banner", "status", "words"),
    [
        ("ESMTP", ProbeStatus.OK, "as declared"),
        (r"^220 .*ready", ProbeStatus.OK, "as declared"),
        ("^SSH-2", ProbeStatus.FAIL, "no answer within"),
        ("(a+)+$", ProbeStatus.ERROR, "write it more plainly"),
        ("(", ProbeStatus.ERROR, "no regular expression"),
    ],
)
async def test_a_tcp_banner_is_read_until_it_is_seen(
    make_runner: MakeRunner, banner: str, status: ProbeStatus, words: str
):
    async with tcp_server(greet) as port:
        probe = TcpProbe(host="127.0.0.1", port=port, banner=banner, timeout_s=0.3)
        (result,) = await make_runner().probe(service(probe))
    assert result.status == status
    assert words in result.summary


async def test_a_closed_tcp_port_and_an_unknown_name_fail(make_runner: MakeRunner):
    async with tcp_server(silent) as port:
        pass
    closed, unknown = TcpProbe(host="127.0.0.1", port=port), TcpProbe(host="no-such-host.invalid", port=1)
    results = await make_runner().probe(service(closed, unknown))
    assert [r.status for r in results] == [ProbeStatus.FAIL, ProbeStatus.FAIL]
    assert "no connection" in results[0].summary
    assert "has no address" in results[1].summary


@pytest.mark.parametrize("pattern", ["(ab|cd)*c", "(x+x+)+y", "a+b+c+d", r"(a)\1", "(?:a{1,9}){2,9}", "a" * 201])
def test_patterns_that_could_run_long_are_refused(pattern: str):
    with pytest.raises(ValueError, match="pattern"):
        compile_safe(pattern)


class NameServer(asyncio.DatagramProtocol):
    """Answers A queries from a table; `hang.` gets no answer, everything else NXDOMAIN."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.DatagramTransport = transport  # pyright: ignore[reportAttributeAccessIssue]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        name = str(query.question[0].name)
        if name == "hang.test.":
            return
        reply = dns.message.make_response(query)
        if name == "shop.test.":
            reply.answer.append(dns.rrset.from_text(name, 5, "IN", "A", "10.0.0.7", "10.0.0.8"))
        else:
            reply.set_rcode(dns.rcode.SERVFAIL if name == "broken.test." else dns.rcode.NXDOMAIN)
        self.transport.sendto(reply.to_wire(), addr)


@pytest.mark.parametrize(
    ("query", "expect", "status", "words"),
    [
        ("shop.test", ("10.0.0.7",), ProbeStatus.OK, "10.0.0.7"),
        ("shop.test", ("10.0.0.9",), ProbeStatus.FAIL, "not 10.0.0.9"),
        ("gone.test", (), ProbeStatus.FAIL, "no such name"),
        ("broken.test", (), ProbeStatus.FAIL, "name server fails"),
        ("hang.test", (), ProbeStatus.FAIL, "no answer"),
    ],
)
async def test_dns_answers_are_compared(
    make_runner: MakeRunner, query: str, expect: tuple[str, ...], status: ProbeStatus, words: str
):
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    try:
        port = transport.get_extra_info("sockname")[1]
        probe = DnsProbe(query=query, expect=expect, server="127.0.0.1", port=port, timeout_s=0.5)
        (result,) = await make_runner().probe(service(probe))
    finally:
        transport.close()
    assert result.status == status
    assert words in result.summary


def certificate(folder: Path, name: str, days: float) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=400))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


@pytest.mark.parametrize(
    ("days", "name", "verify", "status", "words"),
    [
        (300, "shop.test", False, ProbeStatus.OK, "more days"),
        (10, "shop.test", False, ProbeStatus.WARN, "ends in 10 days"),
        (1, "shop.test", False, ProbeStatus.FAIL, "ends in 1.0 days"),
        (-399, "shop.test", False, ProbeStatus.FAIL, "expired"),
        (300, "other.test", False, ProbeStatus.FAIL, "another name"),
        (300, "shop.test", True, ProbeStatus.FAIL, "not accepted"),
    ],
)
async def test_a_certificate_is_judged_by_name_trust_and_time(
    make_runner: MakeRunner, tmp_path: Path, days: float, name: str, verify: bool, status: ProbeStatus, words: str
):
    context = certificate(tmp_path, "shop.test", days)
    async with tcp_server(silent, ssl=context) as port:
        probe = TlsProbe(host="127.0.0.1", port=port, server_name=name, verify=verify)
        (result,) = await make_runner().probe(service(probe))
    assert result.status == status, result
    assert words in result.summary


async def test_a_port_without_tls_and_a_hung_handshake_fail(make_runner: MakeRunner):
    async with tcp_server(greet) as plain, tcp_server(silent) as hung:
        probes = [TlsProbe(host="127.0.0.1", port=p, timeout_s=0.3) for p in (plain, hung)]
        results = await make_runner().probe(service(*probes))
    assert [r.status for r in results] == [ProbeStatus.FAIL, ProbeStatus.FAIL]
    assert "handshake" in results[0].summary
    assert "no answer" in results[1].summary
