"""The dashboard's process: settings, record, engine, one listening connection, one server on loopback."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack, suppress

import uvicorn

from adapters.database.listen import Listener
from adapters.database.migrate import check_schema
from adapters.database.pool import CHANGED, OUTPUT, Pool
from config import logging as logs
from config import telemetry
from config.clock import SystemClock
from config.settings import Settings, load
from domain.errors import ConfigurationError, TiercelError
from domain.ids import SessionId
from domain.people import OFFER
from domain.session import OutputLine
from policy.redaction import redactor
from web import assets as static
from web.app import create_app
from web.formats import zone_of
from web.live.hub import Hub
from web.rendering import Chrome, Renderer, make_environment
from web.security import root_path_of
from web.services.actions import Actor
from web.services.factory import services
from web.services.tokens import setup_link
from web.site import VERSION, Site

GRACEFUL_S = 3  # streams are told to end; this bounds a client that does not listen


def main() -> None:
    """Entry point. A fault of ours is one line and exit code 1."""
    try:
        asyncio.run(run(load()))
    except (TiercelError, static.MissingAssetError) as e:
        sys.stderr.write(f"web: {e}\n")
        raise SystemExit(1) from e


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    logs.configure(settings, "web")
    if settings.database_url is None:
        raise ConfigurationError(
            "DATABASE_URL is not set; start everything with `tiercel up`, or set it to the record's address"
        )
    traces = telemetry.start("web", secrets=logs.secrets_of(settings))
    async with AsyncExitStack() as stack:
        stack.callback(traces.stop)
        pool = await stack.enter_async_context(Pool(settings.database_url.get_secret_value()))
        await check_schema(pool)
        site, listener = assemble(settings, pool)
        listening = asyncio.create_task(listener.run())
        stack.push_async_callback(_stop, listening)
        config = uvicorn.Config(
            create_app(site),
            host=settings.web_host,
            port=settings.web_port,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            timeout_graceful_shutdown=GRACEFUL_S,
            proxy_headers=False,
        )
        logs.logger("web").info(
            "ready",
            address=f"{settings.web_url}/",
            scripted=settings.scripted,
            dry_run=settings.dry_run,
            login=settings.web_login,
        )
        await offer_setup(site)
        await ClosingServer(config, site.hub).serve()


async def offer_setup(site: Site) -> None:
    """While nobody could log in as admin, each start shows a new one-time link; earlier ones are void."""
    if not site.settings.web_login:
        return
    code = await site.people.setup_code(Actor(kind="system", name="web"))
    if code:
        sys.stderr.write(f"{OFFER}{setup_link(site.settings, code)}\n")


class ClosingServer(uvicorn.Server):
    """Ends streams before the server waits for its connections, not after."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Say goodbye to streams, then stop as usual."""
        self._hub.close()
        await asyncio.sleep(0.05)
        await super().shutdown(sockets)  # type: ignore[arg-type]


def assemble(settings: Settings, pool: Pool) -> tuple[Site, Listener]:
    """Everything behind the pages, on an open pool. The caller runs the listener."""
    here = services(settings, pool)
    clock = SystemClock()
    files = static.load()

    async def read_lines(session: str, attempt: int, after: int, limit: int) -> tuple[OutputLine, ...]:
        return tuple(await here.reads.read_output(SessionId(session), attempt, after, limit))

    hub = Hub(read_lines)
    listener = Listener(
        pool.url,
        (OUTPUT, CHANGED),
        heard=lambda channel, payload: tell(hub, channel, payload),
        wake_everybody=hub.lost_track,
    )
    chrome = Chrome(scripted=settings.scripted, dry_run=settings.dry_run, version=VERSION, login=settings.web_login)
    site = Site(
        settings=settings,
        insights=here.insights,
        costs=here.costs,
        budgets=here.budgets,
        actions=here.actions,
        schedules=here.schedules,
        engine=here.engine,
        logins=here.logins,
        people=here.people,
        examinations=here.examinations,
        histories=here.histories,
        memories=here.memories,
        metrics=here.metrics,
        links=here.links,
        hub=hub,
        renderer=Renderer(
            make_environment(files, root_path_of(settings.public_url)), chrome, zone_of(settings.timezone), clock.now
        ),
        assets=files,
        now=clock.now,
        temporal_ui=lambda: temporal_ui(settings),
        record_alive=listener.connected.is_set,
        redact=redactor(logs.secrets_of(settings)),
    )
    return site, listener


def tell(hub: Hub, channel: str, payload: str) -> None:
    """One notification of the record to the hub. A payload that we do not understand wakes nobody."""
    if channel == CHANGED:
        hub.changed(payload)
        return
    session, attempt, seq = [*payload.split(":"), "", ""][:3]
    if attempt.isdecimal() and seq.isdecimal():
        hub.output(session, int(attempt), int(seq))


def temporal_ui(settings: Settings) -> str:
    """Where the Temporal UI is: as set, as the supervisor wrote down, our own server's port, or unknown."""
    if settings.temporal_ui_url:
        return settings.temporal_ui_url
    with suppress(OSError, ValueError, AttributeError):
        found = json.loads((settings.home / "run" / "endpoints.json").read_text(encoding="utf-8")).get("temporal_ui")
        if isinstance(found, str):
            return found
    return "" if settings.temporal_address else f"http://127.0.0.1:{settings.temporal_ui_port}"


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
