"""`memory`: what sessions learned and people wrote down."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.context import Installation, installation, run
from cli.incidents import OutputFormat
from cli.output import Format, ago, rows
from cli.users import change
from domain.memory import MemoryCategory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from adapters.database.memories import MemoryFilter
    from domain.memory import Recalled
    from web.services.memories import Noted

PAGE = 500

app = typer.Typer(help="What sessions learned and people wrote down.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(help="Id of the memory, as `tiercel memory list` shows it")]


@app.command("list")
def list_(
    service: Annotated[str, typer.Option("--service", "-s", help="Only of this service, in any spelling")] = "",
    category: Annotated[MemoryCategory | None, typer.Option("--kind", "-k", help="Only of this kind")] = None,
    text: Annotated[str, typer.Option("--text", "-t", help="Only what holds these words")] = "",
    *,
    forgotten: Annotated[bool, typer.Option("--forgotten", help="Those that somebody forgot")] = False,
    output: OutputFormat = Format.TEXT,
) -> None:
    """Memories with what they are worth now, the last seen first.

    Example: tiercel memory list --service blog
    """
    run(lambda: _list(service, category, text, forgotten, output))


async def _list(service: str, category: MemoryCategory | None, text: str, forgotten: bool, output: Format) -> None:
    from adapters.database.memories import MemoryFilter

    async with installation() as here:
        known = await here.insights.resolve(service) if service else None
        which = MemoryFilter(
            service=(known or service.casefold()) if service else None,
            category=str(category or ""),
            text=text.lower(),
            forgotten=forgotten,
        )
        found = [one async for one in _all(here, which)]
    now = datetime.now(UTC)
    cells = [
        (
            r.memory.id,
            r.memory.service or "all services",
            r.memory.category,
            f"{r.confidence:.0%}" + (" pinned" if r.memory.pinned else ""),
            ago(r.memory.seen_at, now),
            r.memory.text,
        )
        for r in found
    ]
    head = ("ID", "ABOUT", "KIND", "CONFIDENCE", "LAST SEEN", "MEMORY")
    shown = [{**r.memory.model_dump(mode="json"), "confidence": round(r.confidence, 4)} for r in found]
    whom = f" of '{service}'; `tiercel services` lists the names" if service else ""
    rows(output, shown, head, cells, f"Nothing is remembered{whom}.")


async def _all(here: Installation, which: "MemoryFilter") -> "AsyncIterator[Recalled]":
    page = await here.memories.list(which, limit=PAGE)
    while True:
        for one in page.rows:
            yield one
        if not page.next:
            return
        page = await here.memories.list(which, page.next, PAGE)


@app.command()
def add(
    text: Annotated[str, typer.Argument(help="One sentence")],
    category: Annotated[MemoryCategory, typer.Option("--kind", "-k", help="What it is about")],
    service: Annotated[str, typer.Option("--service", "-s", help="Any spelling of one service; without it: all")] = "",
    percent: Annotated[int, typer.Option("--sure", min=1, max=100, help="How sure, in percent")] = 90,
    output: OutputFormat = Format.TEXT,
) -> None:
    """Write down what later sessions should know. It is quoted to them; it orders nothing.

    Example: tiercel memory add "The dump at 03:00 slows every query." --kind timing --service postgres
    """

    async def work(here: Installation) -> "Noted":
        from web.services.memories import Written

        return await here.memories.add(Written(service, category, text, percent / 100), here.actor)

    change(output, work)


@app.command()
def forget(memory: Id, output: OutputFormat = Format.TEXT) -> None:
    """Tell it to no session any more, and let none bring it back.

    Example: tiercel memory forget mem_0eb66702-a180-5441
    """
    change(output, lambda here: here.memories.forget(memory, here.actor))


@app.command()
def restore(memory: Id, output: OutputFormat = Format.TEXT) -> None:
    """Take `forget` back.

    Example: tiercel memory restore mem_0eb66702-a180-5441
    """
    change(output, lambda here: here.memories.restore(memory, here.actor))
