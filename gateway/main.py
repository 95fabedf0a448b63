"""The gateway process: builds the adapters, opens the doors, serves until it is told to stop."""

import asyncio
import fcntl
import os
import signal
import sys
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
from aiohttp import web
from temporalio.client import Client

from adapters.doors.paths import listen
from adapters.engine.broker import TemporalBroker
from config import telemetry
from config.clock import SystemClock
from config.logging import configure, logger, secrets_of
from config.settings import Settings, load
from config.temporal import connect
from domain.errors import ConfigurationError, TiercelError
from domain.examination import Examination
from gateway.admin import Admin, Keeper
from gateway.credential import credential_of
from gateway.credential_try import try_credential
from gateway.doors import DoorKeeper
from gateway.observer import Observer
from gateway.recorder import Recorder
from gateway.records import LateRecords
from gateway.remote.far import Far
from gateway.remote.guesses import EntranceBook
from gateway.remote.listening import listen as entrance
from gateway.remote.relay import FarDoors
from gateway.session import Behind, Upstream
from gateway.sight import docker_window, presence, sight
from gateway.spans import tracer

log = logger("gateway")

_TEMPORAL_WAIT_S = 30.0


class LateClient:
    """Connects to Temporal when it is first needed and then keeps the connection."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client | None = None
        self._lock = asyncio.Lock()

    async def __call__(self) -> Client:
        """The client. Raises EngineUnavailableError where Temporal is away."""
        async with self._lock:
            if self._client is None:
                self._client = await connect(self._settings, wait_s=_TEMPORAL_WAIT_S)
            return self._client


def main() -> None:
    """Run the gateway. Exit 2 for wrong settings, 1 where it cannot serve."""
    try:
        settings = load()
    except ConfigurationError as e:
        sys.exit(_say(str(e), 2))
    configure(settings, "gateway")
    running = telemetry.start("gateway", secrets=secrets_of(settings))
    try:
        asyncio.run(serve(settings, os.environ))
    except TiercelError as e:
        sys.exit(_say(str(e), 1))
    finally:
        running.stop()


def _say(message: str, code: int) -> int:
    sys.stderr.write(f"gateway: {message}\n")
    return code


async def serve(settings: Settings, environ: Mapping[str, str]) -> None:
    """Serve until SIGTERM or SIGINT. Doors stay on disk, so that the next process opens them again."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    run, sessions = settings.home / "run", settings.home / "sessions"
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    sessions.mkdir(mode=0o700, exist_ok=True)
    async with AsyncExitStack() as stack:
        _only_one(run / "gateway.lock", stack)
        opened = _serve_relay(settings, stack) if settings.gateway_url else _serve_doors(settings, environ, stack)
        keeper = await opened
        await stop.wait()
        log.info("gateway stops", doors=len(keeper.sessions()))


async def _serve_doors(settings: Settings, environ: Mapping[str, str], stack: AsyncExitStack) -> Keeper:
    """The doors themselves, and everything behind them."""
    recorder = Recorder()
    behind = _behind(settings, environ, recorder, stack)
    recorder.start()
    stack.push_async_callback(recorder.close)
    keeper = DoorKeeper(settings.home / "sessions", behind)
    stack.push_async_callback(keeper.stop)
    reopened = await keeper.reopen()

    async def tried() -> Examination:
        return await try_credential(behind.http, behind.upstream)

    await _admin(settings, Admin(keeper, tried, lambda: recorder.lost), stack)
    book = EntranceBook(behind.records, recorder, behind.clock, behind.new_id)
    await entrance(settings, keeper, book, tried, stack)
    credential = behind.upstream.credential.kind
    log.info("gateway ready", doors=reopened, credential=credential, model_url=settings.model_url)
    return keeper


async def _serve_relay(settings: Settings, stack: AsyncExitStack) -> Keeper:
    """Doors that lead to another machine's gateway. No credential, no record, no Docker."""
    far = Far.of(settings)
    keeper = FarDoors(settings.home / "sessions", far)
    stack.push_async_callback(keeper.stop)
    reopened = await keeper.reopen()
    await _admin(settings, Admin(keeper, far.try_credential), stack)
    log.info("gateway ready", doors=reopened, leads_to=settings.gateway_url)
    return keeper


def _only_one(path: Path, stack: AsyncExitStack) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    stack.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        raise ConfigurationError(
            f"another gateway already serves {path.parent}; stop it, or set another TIERCEL_HOME"
        ) from e


def _behind(settings: Settings, environ: Mapping[str, str], recorder: Recorder, stack: AsyncExitStack) -> Behind:
    clock = SystemClock()
    records = LateRecords(settings.database_url)
    stack.push_async_callback(records.close)
    # The scripted model lies on loopback, where an owner's proxy would not find it.
    http = aiohttp.ClientSession(
        auto_decompress=False, trust_env=not settings.scripted, cookie_jar=aiohttp.DummyCookieJar()
    )
    stack.push_async_callback(http.close)
    window = docker_window(settings, records.load_inventory, stack)
    prober, logs, tools = sight(settings, clock, window, stack)
    credential = credential_of(settings.anthropic_api_key, settings.claude_oauth_token, scripted=settings.scripted)
    return Behind(
        broker=TemporalBroker(LateClient(settings)),
        observer=Observer(records, prober, logs),
        records=records,
        recorder=recorder,
        http=http,
        upstream=Upstream(
            url=settings.model_url,
            credential=credential,
            models={t.tier: t.model for t in settings.tiers},
            scripted=settings.scripted,
        ),
        clock=clock,
        new_id=lambda: uuid.uuid4().hex,
        tracer=tracer(),
        window=window,
        sight=tools,
        redact=tools.redact,
        present=presence(settings, window),
        otlp_endpoint=environ.get(telemetry.ENDPOINT, ""),
        otlp_headers=_otlp_headers(environ.get("OTEL_EXPORTER_OTLP_HEADERS", "")),
    )


def _otlp_headers(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (part.partition("=") for part in text.split(",") if "=" in part)
    return tuple((name.strip(), value.strip()) for name, _, value in pairs)


async def _admin(settings: Settings, admin: Admin, stack: AsyncExitStack) -> None:
    runner = web.AppRunner(admin.app(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.SockSite(runner, listen(settings.home / "run" / "gateway.sock", 0o600)).start()
