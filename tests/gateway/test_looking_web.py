"""http_get, dns_lookup and tls_certificate: declared places, by the address that was judged, and nothing else."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from domain.health import DnsProbe, HttpProbe, TlsProbe
from tests.support.looking import SECRET, Names, declaring, looking_room, looks, use
from tests.support.outside import certificates

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def site(answer: Answer) -> AsyncIterator[tuple[int, list[str]]]:
    """A server on loopback, and the paths that it was asked for."""
    asked: list[str] = []

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.raw_path)
        return await answer(request)

    runner = web.ServerRunner(web.Server(serve), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1], asked
    finally:
        await runner.cleanup()


async def hello(_: web.BaseRequest) -> web.Response:
    text = f"fine, key {SECRET} \x1b[31m password=hunter2hunter2 " + "x" * 100_000
    return web.Response(text=text, headers={"Set-Cookie": "session=abc", "X-Secret": "no", "Server": "shop/1"})


async def test_a_declared_page_is_shown_redacted_bounded_and_without_cookies(tmp_path: Path):
    async with site(hello) as (port, asked):
        url = f"http://127.0.0.1:{port}/shop?lang=en"
        async with looking_room(tmp_path, declaring(HttpProbe(url=url))) as room:
            fault, text = await use(room, "http_get", {"url": url}, tier=1)
            assert not fault
            assert (await use(room, "http_get", {"url": f"http://127.0.0.1:{port}/healthz"}))[0] is False
            await room.written()
            assert ("looked", "http_get", url) in looks(room)
    assert asked == ["/shop?lang=en", "/healthz"]
    assert "HTTP 200 from 127.0.0.1" in text
    assert "server: shop/1" in text
    assert "fine, key [redacted]" in text
    for hidden in (SECRET, "hunter2hunter2", "session=abc", "X-Secret", "\x1b"):
        assert hidden not in text
    assert len(text) < 16_200
    assert "cut" in text


TRICKS = (
    "http://127.0.0.1:{port}/admin/restart", "http://127.0.0.1:{port}/?do=restart", "http://127.0.0.1:{port}/shop?lang=de",
    "http://127.0.0.1:{port}/%73hop", "http://127.0.0.1:{port}/x/../shop", "http://127.0.0.1:{port}/healthz?x=1",
    "http://u:p@127.0.0.1:{port}/shop", "http://2130706433:{port}/", "http://0x7f000001:{port}/", "http://127.1:{port}/",
    "http://0177.0.0.1:{port}/", "http://[::ffff:127.0.0.1]:{port}/", "http://[::1]:{port}/", "http://localhost:{port}/",
    "http://0:{port}/", "http://127.0.0.1.nip.io:{port}/", "http://127.0.0.1:1/", "http://169.254.169.254/latest/meta-data/",
    "http://metadata.google.internal/", "http://[fd00:ec2::254]/", "http://100.100.100.200/", "http://127.0.0.1:{port}\\@x/shop",
    "http://127.0.0.1:{port}#@evil/shop", "file:///etc/passwd", "ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/_x",
    "HTTP://127.0.0.1:{port}/shop", "http:/127.0.0.1:{port}/", "http://\uff1127.0.0.1:{port}/", "http://evil@127.0.0.1:{port}/",
)  # fmt: skip


async def test_no_other_spelling_or_page_is_asked_for(tmp_path: Path):
    async with site(hello) as (port, asked):
        declared = HttpProbe(url=f"http://127.0.0.1:{port}/shop?lang=en")
        async with looking_room(tmp_path, declaring(declared)) as room:
            door = await room.open(tier=3)
            for url in TRICKS:
                fault, text = await use(room, "http_get", {"url": url.format(port=port)}, door=door)
                assert fault, (url, text)
                assert asked == [], url


async def test_a_redirect_is_shown_and_not_followed(tmp_path: Path):
    async def away(request: web.BaseRequest) -> web.Response:
        return web.Response(status=302, headers={"Location": f"http://127.0.0.1:{request.url.port}/admin"})

    async with site(away) as (port, asked):
        url = f"http://127.0.0.1:{port}/"
        async with looking_room(tmp_path, declaring(HttpProbe(url=url))) as room:
            fault, text = await use(room, "http_get", {"url": url})
    assert not fault
    assert "not followed" in text
    assert "/admin" in text
    assert asked == ["/"]


async def test_a_name_is_resolved_once_and_a_second_answer_changes_nothing(tmp_path: Path):
    async with site(hello) as (port, asked):
        names = Names(shop_test=[["127.0.0.1"], ["169.254.169.254"]])
        url = f"http://shop.test:{port}/"
        async with looking_room(tmp_path, declaring(HttpProbe(url=url)), addresses=names) as room:
            assert (await use(room, "http_get", {"url": url}))[0] is False
            assert names.asked == ["shop.test"]
            fault, text = await use(room, "http_get", {"url": url})
    assert fault, "the second time it is judged anew"
    assert "metadata" in text
    assert asked == ["/"]


async def test_a_server_that_drips_for_ever_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gateway.looking.web._ANSWER_S", 0.3)

    async def drip(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    async with site(drip) as (port, _):
        url = f"http://127.0.0.1:{port}/"
        async with looking_room(tmp_path, declaring(HttpProbe(url=url))) as room:
            fault, text = await use(room, "http_get", {"url": url})
    assert fault
    assert "does not answer" in text


async def test_a_certificate_is_taken_apart_whether_it_is_accepted_or_not(tmp_path: Path):
    _, certificate, key = certificates(tmp_path, "shop.test", "www.shop.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(nothing, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    probe = TlsProbe(host="127.0.0.1", port=port, server_name="shop.test")
    async with server, looking_room(tmp_path, declaring(probe)) as room:
        fault, text = await use(room, "tls_certificate", {"host": "127.0.0.1", "port": port})
        assert not fault, text
        other = await use(room, "tls_certificate", {"host": "127.0.0.1", "port": 1})
        far = await use(room, "tls_certificate", {"host": "169.254.169.254", "port": 443})
    assert "accepted: no" in text
    assert "DNS:www.shop.test" in text
    assert "outside of a test" in text
    assert other[0]
    assert far[0]


async def test_only_declared_names_are_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gateway.looking.web._NAMES_S", 0.3)
    probes = (DnsProbe(query="shop.test", server="127.0.0.1", port=1), HttpProbe(url="http://localhost:1/"))
    async with looking_room(tmp_path, declaring(*probes)) as room:
        for name in (
            "secret.data.evil.example",
            "shop.test.evil.example",
            "x.shop.test",
            "169.254.169.254",
            "",
            "shop test",
        ):
            fault, text = await use(room, "dns_lookup", {"name": name})
            assert fault, name
        fault, text = await use(room, "dns_lookup", {"name": "Shop.Test."})
        assert "cannot be asked" in text, "its declared server is asked, and nobody is there"
        assert (await use(room, "dns_lookup", {"name": "shop.test", "server": "8.8.8.8"}))[0]
