"""Everything around Tiercel that the demo and the end-to-end tests need: real services, a receiver, a model."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from adapters.containers.choice import container_engine, process_engine
from adapters.containers.keeper import end_all
from adapters.database import server_place
from config.ports import free_ports
from config.settings import Settings, load, variable_of
from demo.container import board
from demo.host.handle import HostHandle, remove_outside, start_host
from demo.model.server import Running, serve
from demo.receiver import Receiver, start_receiver
from domain.errors import TiercelError

SCENARIOS = Path(__file__).parent / "model" / "scenarios"

# Short enough to be watched. Everything else is what an owner would run with.
PACE = {
    "interval_s": 5,
    "confirm_after_s": 7.0,
    "settle_s": 1.0,
    "verify_window_s": 6.0,
    "verify_interval_s": 1.0,
    "verify_timeout_s": 30.0,
    "rechecks_s": "4,8",
    "dry_run": False,
}


@dataclass
class Stage:
    """What stands. `settings` are those of the Tiercel that shall watch it."""

    settings: Settings
    host: HostHandle
    receiver: Receiver
    model: Running | None  # None: a real model answers


@asynccontextmanager
async def stage(
    root: Path,
    base: Settings | None = None,
    scenario: Path = SCENARIOS,
    pace: Mapping[str, object] = PACE,
    *,
    containers: bool = False,
) -> AsyncGenerator[Stage, None]:
    """Set it up in `root`, and take it down again. What runs below ends with this process, however it ends.

    The caller stops its Tiercel first. `root` stays, for who wants to read logs; nothing stays elsewhere.
    `containers`: a service in a container joins, where a Docker engine can run it.
    """
    settings = base or load()
    _remove_outside(root)
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, _remove_outside, root)
        receiver = await start_receiver()
        stack.push_async_callback(receiver.stop)
        model = None if settings.credential_kind else await serve(scenario, "127.0.0.1", 0)
        if model is not None:
            stack.push_async_callback(model.close)
        host = await start_host(root / "host")
        stack.push_async_callback(host.stop)
        if containers:
            host.container = await stack.enter_async_context(board(root / "board", host.repos, settings))
        set_up = _set_up(settings, root, host, receiver, model, pace)
        stack.push_async_callback(_end_sessions, set_up)
        yield Stage(settings=set_up, host=host, receiver=receiver, model=model)


def _set_up(
    settings: Settings,
    root: Path,
    host: HostHandle,
    receiver: Receiver,
    model: Running | None,
    pace: Mapping[str, object],
) -> Settings:
    update: dict[str, object] = {
        **pace,
        **_ports(settings),
        "home": root / "tiercel",
        "repos_dir": host.repos,
        "units_socket": host.socket,
        "apprise_urls": receiver.apprise_url,
        "web_login": False,  # on loopback, for whoever looks at the demo
    }
    if model is not None:
        update |= {"scripted": True, "model_url": model.url}
    return _with(settings, update)


async def _end_sessions(settings: Settings) -> None:
    """This home will be deleted, so no later upkeep would find its sessions and containers."""
    for engine in (process_engine, container_engine):
        with suppress(TiercelError):  # no such engine here
            ours = engine(settings, sweep_age_s=0.0)
            await end_all(ours, settings.home / "sessions")
            await ours.sweep(frozenset())


def _remove_outside(root: Path) -> None:
    """A database lies elsewhere where its user cannot enter the folder, or where the path is long."""
    if root.exists():
        server_place.remove_outside(root / "tiercel")
        remove_outside(root / "host")


def environment(settings: Settings) -> dict[str, str]:
    """The variables that make a `tiercel` of another process have these settings."""
    ours = {variable_of(name) for name in Settings.model_fields}
    env = {name: value for name, value in os.environ.items() if name not in ours and not name.startswith("TIERCEL_")}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if value in (None, ""):
            continue
        text = value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
        env[variable_of(name)] = text.lower() if isinstance(value, bool) else text
    return env


def _with(settings: Settings, update: Mapping[str, object]) -> Settings:
    """Validated, unlike `model_copy`."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    return Settings.model_validate({**given, **update})


def _ports(settings: Settings) -> dict[str, object]:
    """The usual ports where they are free, others where not: a demo must not fail because something else runs."""
    wanted = {
        "web_port": settings.web_port,
        "temporal_port": settings.temporal_port,
        "temporal_ui_port": settings.temporal_ui_port,
    }
    return {name: port if _is_free(port) else free_ports(1)[0] for name, port in wanted.items()}


def _is_free(port: int) -> bool:
    with socket.socket() as s, suppress(OSError):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", port))
        return True
    return False
