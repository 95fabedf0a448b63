"""`schedules`: what starts by itself, read from Temporal; pause, resume, skip, run."""

from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from cli.context import Installation, act, fail, installation, run
from cli.exits import Exit
from cli.incidents import OutputFormat
from cli.output import Format, ago, rows
from web.services.actions import Act

app = typer.Typer(help="What starts by itself: list, pause, skip.", no_args_is_help=False, invoke_without_command=True)
Name = Annotated[str, typer.Argument(help="patrol, look or upkeep")]


@app.callback()
def schedules(ctx: typer.Context, output: OutputFormat = Format.TEXT) -> None:
    """When each schedule fires next, and how its last run ended."""
    if ctx.invoked_subcommand is None:
        run(lambda: _list(output))


async def _list(output: Format) -> None:
    from web.services import schedules as words

    async with installation() as here:
        found = await here.schedules.all()
    now = datetime.now(UTC)
    cells = [
        (
            s.id,
            words.when(s),
            "paused"
            if s.paused
            else f"{ago(s.fires[0], now)} ({s.fires[0].astimezone(ZoneInfo(s.zone)):%H:%M %Z})"
            if s.fires
            else "never",
            f"{s.runs[0].status} {ago(s.runs[0].started, now)}" if s.runs else "none yet",
            s.note if s.paused else "",
        )
        for s in found
    ]
    rows(
        output,
        found,
        ("SCHEDULE", "WHEN", "NEXT", "LAST RUN", "NOTE"),
        cells,
        "No schedule yet; the worker makes them when it starts.",
    )


@app.command()
def pause(
    schedule: Name,
    note: Annotated[str, typer.Option("--note", "-n", help="Why; the next person reads it")],
    output: OutputFormat = Format.TEXT,
) -> None:
    """Start nothing by this schedule until it is resumed.

    Example: tiercel schedules pause patrol --note "moving house"
    """
    act(output, lambda here: here.schedules.pause(schedule, note, here.actor))


@app.command()
def resume(schedule: Name, output: OutputFormat = Format.TEXT) -> None:
    """Go on with the next time.

    Example: tiercel schedules resume patrol
    """
    act(output, lambda here: here.schedules.resume(schedule, here.actor))


@app.command()
def skip(schedule: Name, output: OutputFormat = Format.TEXT) -> None:
    """Leave out the next time. The dashboard can take it back.

    Example: tiercel schedules skip patrol
    """

    async def work(here: Installation) -> Act:
        found = await here.schedules.one(schedule)
        if found is None or not found.fires:
            fail(f"'{schedule}' has no next time; `tiercel schedules` lists them", Exit.USAGE)
        return await here.schedules.skip(schedule, found.fires[0], here.actor)

    act(output, work)


@app.command("run")
def start(schedule: Name, output: OutputFormat = Format.TEXT) -> None:
    """Start one run now.

    Example: tiercel schedules run upkeep
    """
    act(output, lambda here: here.schedules.run(schedule, here.actor))
