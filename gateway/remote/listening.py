"""Puts the entrance together from the settings: address, certificate, secret."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import cast

import structlog
from aiohttp import web

from config.settings import Settings
from domain.errors import ConfigurationError
from gateway.doors import DoorKeeper
from gateway.remote.admin import RemoteAdmin, TryCredential
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


def server_tls(settings: Settings) -> ssl.SSLContext | None:
    """The entrance's certificate; None on loopback without one. Raises ConfigurationError for files that do not fit."""
    if settings.gateway_cert is None or settings.gateway_cert_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for name, path in (("CERT", settings.gateway_cert), ("CERT_KEY", settings.gateway_cert_key)):
        try:
            path.open("rb").close()
        except OSError as e:
            raise ConfigurationError(
                f"TIERCEL_GATEWAY_{name}: cannot read {path} ({e.strerror}); check the path and its permissions"
            ) from e
    try:
        context.load_cert_chain(settings.gateway_cert, settings.gateway_cert_key, password="")
    except (ssl.SSLError, ValueError) as e:
        raise ConfigurationError(
            f"TIERCEL_GATEWAY_CERT: {settings.gateway_cert} and {settings.gateway_cert_key} are no certificate and its key"
            " without a password, in PEM; write both files anew"
        ) from e
    return context
