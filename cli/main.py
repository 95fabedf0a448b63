"""`tiercel`: watches with code, asks a model only when something changed, acts only within limits."""

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn

import typer

from cli import budget, incidents, keys, memories, people, schedules, system, users
from cli.context import code_of, fail
from cli.exits import Exit
from domain.errors import TiercelError

app = typer.Typer(
    name="tiercel", help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None
)
app.command("up")(system.up)
app.command("doctor")(system.doctor)
app.command("run")(incidents.start)
app.command("runs")(incidents.list_)
app.command("show")(incidents.show)
app.command("logs")(incidents.logs)
app.command("approve")(people.approve)
app.command("deny")(people.deny)
app.command("change")(people.change)
app.command("services")(people.services)
app.add_typer(people.cooldown_app, name="cooldown")
app.add_typer(schedules.app, name="schedules")
app.add_typer(budget.app, name="budget")
app.add_typer(users.app, name="user")
app.add_typer(keys.app, name="key")
app.add_typer(memories.app, name="memory")
app.add_typer(system.config_app, name="config")
app.add_typer(system.notify_app, name="notify")
app.add_typer(system.db_app, name="db")
app.add_typer(system.image_app, name="image")


@app.command("demo")
def demo(
    fault: str = typer.Option("hung", "--fault", "-f", help="Which fault to inject; --list shows them"),
    once: bool = typer.Option(False, "--once", help="End by itself; exit code 0 only if it ended as it should"),
    list_: bool = typer.Option(False, "--list", help="Show the faults"),
) -> None:
    """Watch a broken service being noticed, investigated, repaired within limits, verified and reported."""
    from demo.run import list_faults, main

    raise typer.Exit(list_faults() if list_ else main(fault, once=once))


def run() -> None:
    """Entry point."""
    try:
        _run()
    except SystemExit as end:
        _leave(end)


def _leave(end: SystemExit) -> NoReturn:
    """Temporal's native threads can abort the interpreter while it ends, after everything was done and said.

    A script would then see the exit code -6 of a command that succeeded. So the interpreter's own end is skipped.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # the reader of a pipe is gone; it wanted no more
            stream.flush()
    if "temporalio.bridge" not in sys.modules:
        raise end
    os._exit(end.code if isinstance(end.code, int) else int(bool(end.code)))


def _run() -> None:
    """No fault ends in a traceback: ours are one line with the remedy, others one line to report."""
    logging.getLogger().addHandler(logging.NullHandler())  # a library's warnings would stand above our one line
    try:
        app()
    except TiercelError as e:
        _end(str(e), code_of(e))
    except Exception as e:
        if os.environ.get("TIERCEL_DEV_TRACEBACK"):
            raise
        _end(
            f"unexpected {type(e).__name__}: {e}. This is a fault of Tiercel: please report it, with the output of "
            "the same command under TIERCEL_DEV_TRACEBACK=1",
            Exit.FAILED,
        )


def _end(message: str, code: Exit) -> NoReturn:
    try:
        fail(message, code)
    except typer.Exit as end:
        raise SystemExit(end.exit_code) from None
