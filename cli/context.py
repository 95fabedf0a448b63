"""The running installation, as a command reaches it: the record, the engine, and the services over them."""

import asyncio
import getpass
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeVar
from urllib.parse import urlsplit

import typer
from pydantic import SecretStr

from cli.exits import Exit
from cli.output import err, safe
from config.settings import Settings, load
from domain.errors import ConfigurationError, EngineUnavailableError, RecordUnavailableError, TiercelError
from worker import up_endpoints

if TYPE_CHECKING:
    from adapters.database.reads import Reads
    from cli.output import Format
    from web.services.actions import Act, Actions, Actor
    from web.services.budgets import BudgetViews
    from web.services.insights import Insights
    from web.services.memories import MemoryBook
    from web.services.people import People
    from web.services.schedules import Schedules

T = TypeVar("T")


@dataclass(frozen=True)
class Installation:
    """What commands work with. The types are imported late, so that `--help` stays fast."""

    settings: Settings
    reads: "Reads"
    insights: "Insights"
    actions: "Actions"
    schedules: "Schedules"
    budgets: "BudgetViews"
    people: "People"
    memories: "MemoryBook"
    actor: "Actor"
    engine: Callable[[], Awaitable[object]]  # raises EngineUnavailableError at once, before an act is tried patiently


def fail(message: str, code: Exit = Exit.FAILED) -> NoReturn:
    """One line that says what to do, and the code."""
    err.print(safe(message), markup=False, style="red")
    raise typer.Exit(code)


def code_of(error: TiercelError) -> Exit:
    """The exit code for a fault."""
    if isinstance(error, RecordUnavailableError | EngineUnavailableError):
        return Exit.UNREACHABLE
    return Exit.USAGE if isinstance(error, ConfigurationError) else Exit.FAILED


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run a command's work; a fault of ours is one line with its remedy."""
    try:
        return asyncio.run(_awaited(work))
    except TiercelError as e:
        fail(str(e), code_of(e))
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None


async def _awaited(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


def settings_of_running() -> Settings:
    """Settings, completed with the addresses that a running `tiercel up` wrote down."""
    settings = load()
    found = up_endpoints.read(settings.home)
    if settings.database_url is None and found is None:
        raise EngineUnavailableError(
            f"nothing runs in {settings.home}; start it with `tiercel up`, or set TIERCEL_HOME to where it runs"
        )
    if found is None:
        return settings
    update: dict[str, object] = {"scripted": settings.scripted or found.scripted}
    update["web_port"] = urlsplit(found.web_url).port or settings.web_port
    if settings.database_url is None:
        update["database_url"] = SecretStr(found.database_url)
    if not settings.temporal_address:
        update["temporal_address"] = found.temporal_address
    return settings.model_copy(update=update)


def who_runs() -> str:
    """The user of this machine who gives the command, also behind sudo. They own the record: no role bounds them."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


@asynccontextmanager
async def installation() -> AsyncGenerator[Installation, None]:
    """Connect to what runs."""
    from adapters.database.migrate import check_schema
    from adapters.database.pool import Pool
    from web.services.actions import Actor
    from web.services.factory import services

    settings = settings_of_running()
    assert settings.database_url is not None  # noqa: S101 - settings_of_running saw to it
    async with Pool(settings.database_url.get_secret_value(), max_size=3) as pool:
        await check_schema(pool)
        here = services(settings, pool)
        actor = Actor(kind="cli", name=who_runs())
        yield Installation(
            settings,
            here.reads,
            here.insights,
            here.actions,
            here.schedules,
            here.budgets,
            here.people,
            here.memories,
            actor,
            here.engine.client,
        )


def act(output: "Format", do: "Callable[[Installation], Awaitable[Act]]") -> NoReturn:
    """One act through the engine: what came of it, and a code that says whether it was accepted."""
    from cli.output import one

    async def work() -> Exit:
        async with installation() as here:
            await here.engine()
            done = await do(here)
        one(output, done, done.message)
        return Exit.OK if done.accepted else Exit.REFUSED

    raise typer.Exit(run(work))
