"""`budget`: what is left of a day's and a month's money; pause and resume all sessions."""

from typing import Annotated

import typer

from cli.context import act, installation, run
from cli.incidents import OutputFormat
from cli.output import Format, hint, one, rows

app = typer.Typer(
    help="Money of a day and a month: show, pause, resume.", no_args_is_help=False, invoke_without_command=True
)
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; it is kept with your name")]


@app.callback()
def budget(ctx: typer.Context, output: OutputFormat = Format.TEXT) -> None:
    """What is spent, reserved and left. As JSON also who paused (`note`), and what a session of each tier would cost.

    Example: tiercel budget -o json
    """
    if ctx.invoked_subcommand is None:
        run(lambda: _show(output))


async def _show(output: Format) -> None:
    async with installation() as here:
        found = await here.budgets.read()
    if output != Format.TEXT:
        one(output, found, "")
        return
    cells = [
        (
            w.window.key,
            f"{w.spent_usd:.2f}",
            f"{w.reserved_usd:.2f}",
            "-" if w.left_usd is None else f"{w.left_usd:.2f}",
            f"none; set {w.variable}" if w.limit_usd is None else f"{w.limit_usd:.2f}",
        )
        for w in found.windows
    ]
    rows(output, found.windows, ("WINDOW", "SPENT", "RESERVED", "LEFT", "LIMIT"), cells, "")
    if found.paused:
        hint(f"paused by {found.paused.actor}: {found.paused.reason}    tiercel budget resume --reason ...")


@app.command()
def pause(reason: Reason, output: OutputFormat = Format.TEXT) -> None:
    """Begin no session until they are resumed. Probes go on; incidents come to you.

    Example: tiercel budget pause --reason "on holiday"
    """
    act(output, lambda here: here.budgets.pause(reason, here.actor))


@app.command()
def resume(reason: Reason, output: OutputFormat = Format.TEXT) -> None:
    """Let sessions begin again, within the limits.

    Example: tiercel budget resume --reason "back"
    """
    act(output, lambda here: here.budgets.resume(reason, here.actor))
