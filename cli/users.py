"""`user`: who may log in to the dashboard. Whoever runs this owns the record, so nobody can be locked out for good."""

import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.context import Installation, fail, installation, run
from cli.exits import Exit
from cli.incidents import OutputFormat
from cli.output import Format, ago, one, rows
from domain.people import Role

if TYPE_CHECKING:
    from web.services.people import Said

app = typer.Typer(help="Who may log in to the dashboard.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Name of the account")]


@app.command("list")
def list_(output: OutputFormat = Format.TEXT) -> None:
    """Accounts, what they may do, and when they were last here.

    Example: tiercel user list -o json
    """
    run(lambda: _list(output))


async def _list(output: Format) -> None:
    async with installation() as here:
        found = await here.people.list()
    now = datetime.now(UTC)
    cells = [
        (
            p.name,
            p.role,
            "disabled" if p.disabled_at else "ready" if p.joined else "invited",
            ago(p.last_seen_at, now) if p.last_seen_at else "never",
            str(p.keys),
        )
        for p in found
    ]
    empty = "Nobody has an account yet; `tiercel user code` shows the link that makes the first one."
    rows(output, found, ("NAME", "ROLE", "STATE", "LAST SEEN", "KEYS"), cells, empty)


def change(output: Format, act: Callable[[Installation], Awaitable["Said"]], *, link: bool = False) -> None:
    """One change; `link`: its secret is a code, shown as the address where it is used."""

    async def work() -> Exit:
        from web.services.tokens import setup_link

        async with installation() as here:
            said = await act(here)
            shown = setup_link(here.settings, said.secret) if link and said.secret else said.secret
        one(output, said.model_copy(update={"secret": shown}), f"{said.message}\n{shown}".strip())
        return Exit.OK if said.accepted else Exit.REFUSED

    raise typer.Exit(run(work))


@app.command()
def code(output: OutputFormat = Format.TEXT) -> None:
    """The one-time link that makes the first admin. Earlier ones stop to work.

    Example: tiercel user code
    """

    async def work() -> None:
        from web.services.tokens import setup_link

        async with installation() as here:
            made = await here.people.setup_code(here.actor)
            if made is None:
                fail(
                    "There is an admin already; `tiercel user reset NAME` makes a link for a new password.", Exit.USAGE
                )
            shown = setup_link(here.settings, made)
        one(output, {"link": shown}, f"Open this once; it makes the first admin:\n{shown}")

    run(work)


@app.command()
def add(
    name: Name,
    role: Annotated[
        Role, typer.Option("--role", "-r", help="viewer looks, operator acts, admin manages")
    ] = Role.VIEWER,
    output: OutputFormat = Format.TEXT,
) -> None:
    """Invite somebody: prints the link by which they set a password.

    Example: tiercel user add alice --role operator
    """
    change(output, lambda here: here.people.add(name, role, here.actor), link=True)


@app.command("role")
def role_(
    name: Name,
    role: Annotated[Role, typer.Argument(help="viewer, operator or admin")],
    output: OutputFormat = Format.TEXT,
) -> None:
    """Change what somebody may do, at once.

    Example: tiercel user role alice admin
    """
    change(output, lambda here: here.people.change_role(name, role, here.actor))


@app.command()
def disable(
    name: Name,
    undo: Annotated[bool, typer.Option("--undo", help="Let them in again")] = False,
    output: OutputFormat = Format.TEXT,
) -> None:
    """End somebody's sessions and keys, and let them in no more. What they did keeps their name.

    Example: tiercel user disable alice
    """
    change(output, lambda here: here.people.disable(name, here.actor, on=not undo))


@app.command()
def reset(name: Name, output: OutputFormat = Format.TEXT) -> None:
    """Print a link by which somebody sets a new password. The old one works until then.

    Example: tiercel user reset alice
    """
    change(output, lambda here: here.people.reset(name, here.actor), link=True)


@app.command()
def pin(
    name: Name,
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Take the PIN away instead")] = False,
    output: OutputFormat = Format.TEXT,
) -> None:
    """Set the PIN with which somebody approves from a link in a message. It is asked for, or read from a pipe.

    Example: tiercel user pin alice
    """
    if remove:
        given = ""
    elif sys.stdin.isatty():
        given = typer.prompt("New PIN", hide_input=True, confirmation_prompt=True)
    else:
        given = sys.stdin.readline().strip()
    if not remove and not given:
        fail("no PIN was given; type it, pipe it in, or use --remove", Exit.USAGE)
    change(output, lambda here: here.people.give_pin(name, given, here.actor))


@app.command("sign-out")
def sign_out(name: Name, output: OutputFormat = Format.TEXT) -> None:
    """End all of somebody's sessions. They may log in again.

    Example: tiercel user sign-out alice
    """
    change(output, lambda here: here.people.sign_out(name, "all", here.actor))
