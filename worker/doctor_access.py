"""Who can get to the dashboard: accounts, login, and by which address."""

import asyncio
from collections.abc import Sequence

import psycopg

from adapters.database.people import PeopleStore
from adapters.database.pool import Pool
from config.settings import Settings
from domain.errors import TiercelError
from worker import up_endpoints
from worker.doctor_finding import Finding, ok, warn

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_PATIENCE_S = 5.0


async def accounts(settings: Settings) -> Sequence[Finding]:
    """Whether somebody can log in."""
    if not settings.web_login:
        cause = "login is off: everybody who can use this machine can act as its owner"
        return [warn("login", cause, "unset TIERCEL_WEB_LOGIN, or leave it off where only you use this machine")]
    found = await asyncio.to_thread(up_endpoints.read, settings.home)
    url = settings.database_url.get_secret_value() if settings.database_url else found.database_url if found else ""
    if not url:
        return [ok("login", "on; whether there are accounts shows while Tiercel runs")]
    try:
        async with asyncio.timeout(_PATIENCE_S), Pool(url, max_size=1) as pool:
            admins = await PeopleStore(pool).admins()
    except (TiercelError, psycopg.Error, TimeoutError):
        return [ok("login", "on; the record does not answer, so accounts cannot be counted")]
    if admins:
        return [ok("login", f"on; {admins} {'admin' if admins == 1 else 'admins'}")]
    return [warn("login", "nobody has an account yet, so nobody can approve", "tiercel user code, and open its link")]


async def addresses(settings: Settings) -> Sequence[Finding]:
    """Whether passwords and cookies cross a network readable."""
    url = settings.public_url.lower()
    if url.startswith("https://"):
        return [ok("dashboard address", f"{settings.public_url}; cookies travel by https only")]
    if settings.web_host in _LOOPBACK and not url:
        return [ok("dashboard address", f"{settings.web_url}, on this machine only")]
    cause = f"people come to {settings.people_url} by plain http: whoever is on the network can read passwords"
    fix = "put a proxy with https before it and set TIERCEL_PUBLIC_URL=https://..."
    return [warn("dashboard address", cause, fix)]


CHECKS = (accounts, addresses)
