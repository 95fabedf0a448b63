"""Every address of the route table behind proxies, in a real browser: below a path, kept or taken off, on plain HTTP
under a host name, and on HTTPS that ends at the proxy. Nothing leaves the path, nothing fails, nobody lies about
where they come from.
"""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from playwright.async_api import Browser, Page, Response, async_playwright

from config.ports import free_ports
from tests.support.accounts import PASSWORD
from tests.support.browser import Dashboard, chromium, dashboard
from tests.support.postgres import TestServer
from tests.support.whole_house import ADMIN, REPAIRED, WholeHouse, whole_house
from web.routes import ROUTES

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser, pytest.mark.temporal, pytest.mark.postgres]

HOST, PREFIX, CLIENT = "home.lan", "/tiercel", "203.0.113.9"
HOP = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "content-length",
    "content-encoding",
}
RUNNING = "inc_5a77d0e9-blog-0004"
# What stands in a page and leads somewhere.
ADDRESSES = """() => [...document.querySelectorAll('[href], [src], [action], [hx-get], [hx-post], [data-events], [data-worker]')]
  .flatMap((el) => ['href', 'src', 'action', 'hx-get', 'hx-post', 'data-events', 'data-worker'].map((n) => el.getAttribute(n)))
  .concat(document.body.dataset.go.trim().split(/\\s+/).map((pair) => pair.slice(2))).filter(Boolean)"""


@dataclass
class Street:
    """The installation, and the addresses under which people reach it."""

    house: WholeHouse
    secure: Dashboard
    stripped: str
    kept: str
    https: str


@asynccontextmanager
async def proxy(port: int, to: str, *, strip: bool, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """As nginx does it: the Host is kept, the client's address is appended, streams pass at once."""
    client = aiohttp.ClientSession(auto_decompress=False)

    async def handle(request: web.Request) -> web.StreamResponse:
        if not request.path.startswith(f"{PREFIX}/"):
            return web.Response(status=404, text="this is not Tiercel's part of the site")
        path = request.raw_path.removeprefix(PREFIX) if strip else request.raw_path
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP}
        before = request.headers.get("X-Forwarded-For", "")
        headers["X-Forwarded-For"] = f"{before}, {CLIENT}".lstrip(", ")
        headers["X-Forwarded-Proto"] = "https" if tls else "http"
        body = await request.read() or None
        async with client.request(request.method, to + path, headers=headers, data=body, allow_redirects=False) as got:
            answer = web.StreamResponse(status=got.status, reason=got.reason)
            for name, value in got.headers.items():
                if name.lower() not in HOP - {"content-encoding"}:
                    answer.headers.add(name, value)
            await answer.prepare(request)
            async for part in got.content.iter_any():
                await answer.write(part)
            return answer

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
    try:
        yield f"{'https' if tls else 'http'}://{HOST}:{port}{PREFIX}"
    finally:
        await runner.cleanup()
        await client.close()


def certificate(folder: Path) -> ssl.SSLContext:
    """For the host name, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)]), dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False).sign(key, hashes.SHA256())
    )  # fmt: skip
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "both.pem").write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def street(postgres_server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Street]:
    home = tmp_path_factory.mktemp("home")
    own, one, two, three = free_ports(4)
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(
            whole_house(postgres_server, home, port=own, public_url=f"http://{HOST}:{one}{PREFIX}/")
        )
        trusting = house.site.site.settings.model_copy(
            update={"public_url": f"https://{HOST}:{three}{PREFIX}", "trusted_proxies": "127.0.0.1/32"}
        )
        secure = await stack.enter_async_context(dashboard(house.site.pool, trusting))
        tls = await asyncio.to_thread(certificate, home)
        yield Street(
            house,
            secure,
            await stack.enter_async_context(proxy(one, house.site.url, strip=True)),
            await stack.enter_async_context(proxy(two, house.site.url, strip=False)),
            await stack.enter_async_context(proxy(three, secure.url, strip=False, tls=tls)),
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def far(street: Street) -> AsyncIterator[Browser]:
    """A browser for which the host name leads here, as a home network's name server would say."""
    async with async_playwright() as play:
        opened = await play.chromium.launch(
            executable_path=chromium(),
            args=["--no-sandbox", "--disable-gpu", f"--host-resolver-rules=MAP {HOST} 127.0.0.1"],
        )
        yield opened
        await opened.close()


def addresses(house: WholeHouse) -> dict[str, str]:
    """Every GET of the route table that ends, with its places filled in."""
    assert house.approval is not None
    filled = {
        "incident": REPAIRED, "approval": house.approval.id, "node": "local", "name": "blog", "schedule": "patrol",
        "token": "tal_unknown", "memory": "mem_seed_0",
    }  # fmt: skip
    skipped = {"static_show", "echo_stream", "session_stream", "session_lines", "session_text", "events_stream"}
    return {
        name: path.format(**filled) for name, _, method, path, _ in ROUTES if method == "GET" and name not in skipped
    }


class Watch:
    """What a browser complains about while it goes from page to page."""

    def __init__(self, page: Page) -> None:
        self.found: list[str] = []
        self._expected = ""
        page.on("console", lambda m: self._note(m.text) if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda e: self._note(str(e)))
        page.on(
            "requestfailed", lambda r: self._note(f"{r.url} {r.failure}") if "ABORTED" not in str(r.failure) else None
        )
        page.on("response", self._answered)

    def expecting(self, status: str) -> None:
        """An error that the next page is there to show."""
        self._expected = status

    def _note(self, text: str) -> None:
        if not (self._expected and self._expected in text):
            self.found.append(text)

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self._note(f"{response.url}: {response.status}")


async def log_in(page: Page, base: str) -> None:
    await page.goto(f"{base}/")
    assert page.url == f"{base}/login?next={PREFIX.replace('/', '%2F')}%2F"
    await page.get_by_label("Name").fill(ADMIN)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.locator("main").get_by_role("button", name="Log in").click()
    await page.wait_for_url(f"{base}/")
    await page.locator("#live-dot[data-state=live]").wait_for(state="attached")


async def stray(page: Page, base: str) -> list[str]:
    """Addresses on the page that leave the path, and where the browser itself is if it left."""
    here = [] if page.url.startswith(base + "/") else [f"the page is {page.url}"]
    inside = (f"{PREFIX}/", "#", base + "/", "?")
    leads = await page.evaluate(ADDRESSES)
    return here + [f"{page.url}: {a}" for a in leads if not a.startswith(inside) and "127.0.0.1" not in a]


async def walk(street: Street, browser: Browser, base: str) -> list[str]:
    context = await browser.new_context(ignore_https_errors=True, accept_downloads=True)
    page = await context.new_page()
    page.set_default_timeout(15_000)
    watch = Watch(page)
    await log_in(page, base)
    for name, path in addresses(street.house).items():
        if name == "link_show":
            watch.expecting("404")
        if path.rpartition(".")[2] in {"json", "csv", "jsonl", "md", "env"} or name in {"metrics_show", "health_show"}:
            status = await page.evaluate("(at) => fetch(at).then((answer) => answer.status)", base + path)
            watch.found += [f"{path}: {status}"] if status != 200 else []
            continue
        await page.goto(base + path)
        watch.found += await stray(page, base)
        watch.expecting("")
    for path in (f"/incidents/{RUNNING}", "/audit?actor=ada", "/setup?code=X", "/approvals?state=denied"):
        watch.expecting("422")
        await page.goto(base + path)
        watch.found += await stray(page, base)
    watch.expecting("")
    await page.get_by_role("button", name="dark").click()  # a plain form, and the way back
    await page.locator("html[data-theme=dark]").wait_for(state="attached")
    watch.found += await stray(page, base)
    await page.get_by_role("button", name="Log out").click()
    await page.wait_for_url(f"{base}/login**")
    await page.goto(f"{base}/a/{street.house.link}")
    await page.get_by_label("Your PIN").wait_for()
    watch.found += await stray(page, base)
    await context.close()
    return watch.found


async def test_everything_stays_below_the_path_that_a_proxy_takes_off(street: Street, far: Browser):
    assert await walk(street, far, street.stripped) == []


async def test_everything_stays_below_the_path_that_a_proxy_keeps(street: Street, far: Browser):
    assert await walk(street, far, street.kept) == []


async def test_everything_works_where_https_ends_at_the_proxy(street: Street, far: Browser):
    assert await walk(street, far, street.https) == []


async def places(site: Dashboard) -> set[str]:
    """From where people are logged in, as the pages show it."""
    return {s.address for rows in (await site.site.people.sessions()).values() for s in rows}


async def test_a_clients_address_is_believed_from_a_trusted_proxy_alone(street: Street):
    form = {"name": ADMIN, "password": PASSWORD}
    lie = {"X-Forwarded-For": "198.51.100.66", "Accept": "text/html"}

    async def enter(url: str, **headers: str) -> None:
        origin = "/".join(url.split("/")[:3])
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            post = session.post(
                f"{url}/login",
                data=form,
                headers={**lie, "Origin": origin, **headers},
                allow_redirects=False,
                ssl=False,
            )
            async with post as answer:
                assert answer.status == 303, await answer.text()

    before = await places(street.house.site)
    await enter(street.house.site.url + PREFIX)  # past the proxy, to the dashboard that trusts nobody
    near = street.kept.replace(HOST, "127.0.0.1")
    await enter(near)  # and through it: its address is all that is known
    assert await places(street.house.site) == before | {"127.0.0.1"}
    await enter(street.https.replace(HOST, "127.0.0.1"))  # trusted: what it appended counts, not what it was given
    assert await places(street.secure) == before | {"127.0.0.1", CLIENT}
