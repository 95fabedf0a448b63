"""Puts the entrance together from the settings: address, certificate, secret."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import cast

import structlog
from aiohttp import web

from config.remote_tls import server_tls
from config.settings import Settings
from domain.errors import ConfigurationError
from gateway.admin import TryCredential
from gateway.doors import DoorKeeper
from gateway.remote.admin import RemoteAdmin
from gateway.remote.entrance import Entrance
from gateway.remote.guesses import EntranceBook
from gateway.remote.tokens import same_secret

log = structlog.get_logger("gateway.entrance")


async def listen(
    settings: Settings, keeper: DoorKeeper, book: EntranceBook, try_credential: TryCredential, stack: AsyncExitStack
) -> Entrance | None:
    """Listen where the settings name an address. Raises ConfigurationError where that cannot be."""
    where = settings.entrance
    if where is None:
        return None
    secret = settings.shared_secret()
    runner = web.AppRunner(RemoteAdmin(keeper, book, try_credential).app(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)

    serve = cast("Callable[[], asyncio.Protocol]", runner.server)
    entrance = Entrance(
        keeper.enter, lambda shown: serve() if same_secret(shown, secret) else None, book, server_tls(settings)
    )
    stack.callback(entrance.close)
    host, port = where
    try:
        await entrance.open(host, port)
    except OSError as e:
        raise ConfigurationError(
            f"TIERCEL_GATEWAY_LISTEN: cannot listen on {settings.gateway_listen} ({e.strerror});"
            " free the port, or write an address of this machine"
        ) from e
    log.info("open for other machines", address=settings.gateway_listen, tls=entrance.tls is not None)
    return entrance
