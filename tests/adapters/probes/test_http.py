import asyncio

import pytest

from adapters.probes.addresses import is_blocked
from domain.health import HttpProbe, ProbeStatus, TcpProbe, TlsProbe
from tests.adapters.probes.conftest import MakeRunner, answering, http_answer, service, silent, tcp_server


async def test_it_says_ok_with_evidence_and_latency(make_runner: MakeRunner):
    async with tcp_server(answering(http_answer("hello from the shop", headers="Server: shop\r\n"))) as port:
        (result,) = await make_runner().probe(service(HttpProbe(url=f"http://127.0.0.1:{port}/", contains="shop")))
    assert (result.status, result.summary) == (ProbeStatus.OK, "HTTP 200")
    assert "hello from the shop" in result.evidence
    assert "server: shop" in result.evidence
    assert result.latency_ms > 0
    assert (result.service, result.probe, result.kind) == ("local/thing", "http", "http")


async def test_a_hung_server_fails_http_while_its_port_is_fine(make_runner: MakeRunner):
    async with tcp_server(silent) as port:
        http = HttpProbe(url=f"http://127.0.0.1:{port}/", timeout_s=0.4)
        results = await make_runner().probe(service(http, TcpProbe(host="127.0.0.1", port=port, timeout_s=0.4)))
    assert [r.status for r in results] == [ProbeStatus.FAIL, ProbeStatus.OK]
    assert "hung: the port is open" in results[0].summary


@pytest.mark.parametrize(
    ("answer", "extra", "words"),
    [
        (http_answer("broken", "503 Service Unavailable"), {}, "HTTP 503"),
        (http_answer("welcome"), {"contains": "shop"}, "does not contain 'shop'"),
        (http_answer("I am the printer"), {"identity": "shop-7"}, "somebody else answers"),
        (http_answer("x", headers="X-Who: printer\r\n"), {"identity": "shop", "identity_in": "X-Who"}, "header X-Who"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nshort", {}, "broke off"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", {}, "broke off"),
    ],
)
async def test_it_fails_on_a_wrong_answer(make_runner: MakeRunner, answer: bytes, extra: dict[str, str], words: str):
    async with tcp_server(answering(answer)) as port:
        (result,) = await make_runner().probe(service(HttpProbe(url=f"http://127.0.0.1:{port}/", **extra)))  # pyright: ignore[reportArgumentType]
    assert result.status == ProbeStatus.FAIL
    assert words in result.summary


async def test_a_matching_header_identity_is_kept(make_runner: MakeRunner):
    async with tcp_server(answering(http_answer("x", headers="X-Who: shop-7\r\n"))) as port:
        probe = HttpProbe(url=f"http://127.0.0.1:{port}/", identity="shop-7", identity_in="X-Who")
        (result,) = await make_runner().probe(service(probe))
    assert (result.status, result.identity) == (ProbeStatus.OK, "shop-7")


async def test_a_slow_answer_is_a_warning(make_runner: MakeRunner):
    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        await answering(http_answer("x"))(reader, writer)

    async with tcp_server(late) as port:
        (result,) = await make_runner().probe(service(HttpProbe(url=f"http://127.0.0.1:{port}/", max_latency_ms=1)))
    assert result.status == ProbeStatus.WARN


async def test_a_redirect_is_an_answer_and_is_not_followed(make_runner: MakeRunner):
    moved = http_answer("", "302 Found", "Location: http://169.254.169.254/latest\r\n")
    async with tcp_server(answering(moved)) as port:
        (result,) = await make_runner().probe(service(HttpProbe(url=f"http://127.0.0.1:{port}/")))
    assert (result.status, result.summary) == (ProbeStatus.OK, "HTTP 302")


async def test_a_closed_port_fails_with_the_reason(make_runner: MakeRunner):
    async with tcp_server(silent) as port:
        pass
    (result,) = await make_runner().probe(service(HttpProbe(url=f"http://127.0.0.1:{port}/")))
    assert result.status == ProbeStatus.FAIL
    assert "no connection" in result.summary


@pytest.mark.parametrize(
    "probe",
    [
        HttpProbe(url="http://169.254.169.254/latest/meta-data/"),
        HttpProbe(url="http://[::ffff:169.254.169.254]/"),
        HttpProbe(url="http://2852039166/"),
        HttpProbe(url="http://0xa9fea9fe/"),
        TcpProbe(host="fd00:ec2::254", port=80),
        TcpProbe(host="169.254.1.1", port=80),
        TlsProbe(host="169.254.169.254"),
    ],
)
async def test_metadata_addresses_are_never_reached_in_any_spelling(
    make_runner: MakeRunner, probe: HttpProbe | TcpProbe | TlsProbe
):
    (result,) = await make_runner().probe(service(probe))
    assert result.status == ProbeStatus.ERROR
    assert "no probe may reach" in result.summary or "cannot be used" in result.summary


@pytest.mark.parametrize(
    "address", ["64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "fe80::1%eth0", "100.100.100.200", "0.0.0.0"]
)
def test_wrapped_forms_are_blocked_too(address: str):
    assert is_blocked(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "192.168.1.10", "10.0.0.1", "::1", "fd12::1", "93.184.216.34"])
def test_ordinary_addresses_are_not_blocked(address: str):
    assert not is_blocked(address)


def hide(text: str) -> str:
    return text.replace("hunter2", "[secret]")


async def test_evidence_is_redacted_bounded_and_free_of_control_characters(make_runner: MakeRunner):
    body = "token=hunter2 \x1b[31mred\x1b[0m \x00 " + "ä" * 5000
    runner = make_runner(redact=hide)
    async with tcp_server(answering(http_answer(body))) as port:
        (result,) = await runner.probe(service(HttpProbe(url=f"http://127.0.0.1:{port}/")))
    assert "hunter2" not in result.evidence
    assert "[secret] red" in result.evidence
    assert "\x1b" not in result.evidence
    assert "\x00" not in result.evidence
    assert len(result.evidence.encode()) <= 2000


async def test_probes_of_one_kind_get_distinct_names(make_runner: MakeRunner):
    async with tcp_server(silent) as port:
        tcp = TcpProbe(host="127.0.0.1", port=port)
        results = await make_runner().probe(service(tcp, tcp, TcpProbe(host="127.0.0.1", port=port, name="front")))
    assert [r.probe for r in results] == ["tcp", "tcp-2", "front"]


async def test_a_thousand_services_are_probed_in_one_sweep(make_runner: MakeRunner):
    async with tcp_server(answering(http_answer("ok")), backlog=2048) as port:
        services = [service(HttpProbe(url=f"http://127.0.0.1:{port}/"), name=f"s{n}") for n in range(1000)]
        results = await make_runner().probe_all(services)
    assert len(results) == 1000
    assert {r.status for r in results} == {ProbeStatus.OK}
    assert [r.service for r in results] == [s.id for s in services]
