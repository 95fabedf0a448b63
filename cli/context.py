"""The running installation, as a command reaches it: the record, the engine, and the services over them."""

import asyncio
import getpass
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import typer
from pydantic import SecretStr

from cli.exits import Exit
from cli.output import err
from config.settings import Settings, load
from domain.errors import ConfigurationError, EngineUnavailableError, FatalError, RecordUnavailableError, TiercelError, TransientError
from web.services.actions import Actions, Actor
from web.services.insights import Insights

T = TypeVar("T")


@dataclass(frozen=True)
class Installation:
    """What commands work with."""

    settings: Settings
    reads: Any  # adapters.database.reads.Reads, imported late so that `--help` stays fast
    insights: Insights
    actions: Actions
    actor: Actor


def fail(message: str, code: Exit = Exit.FAILED) -> NoReturn:
    """One line that says what to do, and the code."""
    err.print(message, markup=False, style="red")
    raise typer.Exit(code)


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run a command's work; a fault of ours is one line with its remedy."""
    try:
        return asyncio.run(_awaited(work))
    except (RecordUnavailableError, EngineUnavailableError) as e:
        fail(str(e), Exit.UNREACHABLE)
    except ConfigurationError as e:
        fail(str(e), Exit.USAGE)
    except (FatalError, TransientError, TiercelError) as e:
        fail(str(e))
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None


async def _awaited(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


def settings_of_running() -> Settings:
    """Settings, completed with the addresses that a running `tiercel up` wrote down."""
    settings = load()
    file = settings.home / "run" / "endpoints.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = {}
    if settings.database_url is None and not found:
        raise EngineUnavailableError(f"nothing runs in {settings.home}; start it with `tiercel up`, or set TIERCEL_HOME to where it runs")
    update: dict[str, object] = {"scripted": settings.scripted or bool(found.get("scripted"))}
    if settings.database_url is None:
        update["database_url"] = SecretStr(str(found["database_url"]))
    if not settings.temporal_address:
        update["temporal_address"] = str(found.get("temporal_address", ""))
    return settings.model_copy(update=update)


@asynccontextmanager
async def installation() -> AsyncGenerator[Installation, None]:
    """Connect to what runs."""
    from adapters.database.incidents import IncidentStore
    from adapters.database.migrate import check_schema
    from adapters.database.pool import Pool
    from adapters.database.reads import Reads
    from adapters.engine.client import TemporalEscalations, TemporalLedger
    from adapters.engine.slots import UpdateSlots
    from config.clock import SystemClock
    from config.temporal import connect
    from web.services.engine_link import EngineLink

    settings, clock = settings_of_running(), SystemClock()
    assert settings.database_url is not None  # noqa: S101 - settings_of_running saw to it
    link = EngineLink(lambda: connect(settings))
    async with Pool(settings.database_url.get_secret_value(), max_size=3) as pool:
        await check_schema(pool)
        reads = Reads(pool)
        ledger = TemporalLedger(link.client, UpdateSlots(settings.home / "run"))
        escalations = TemporalEscalations(link.client, settings.escalation_policy, lambda: settings.dry_run, clock)
        actions = Actions(link.client, ledger, escalations, IncidentStore(pool), clock, settings.tiers)
        yield Installation(settings, reads, Insights(reads, settings, clock), actions, Actor(kind="cli", name=getpass.getuser()))
