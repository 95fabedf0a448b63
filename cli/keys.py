"""`key`: what lets a program in. A key is shown once, when it is made."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.context import Installation, installation, run
from cli.incidents import OutputFormat
from cli.output import Format, ago, rows
from cli.users import change
from domain.people import Scope

if TYPE_CHECKING:
    from web.services.people import Said

app = typer.Typer(help="Keys for programs.", no_args_is_help=True)


@app.command("list")
def list_(output: OutputFormat = Format.TEXT) -> None:
    """Keys with their first part, what they may do, and when they were last used.

    Example: tiercel key list
    """
    run(lambda: _list(output))


async def _list(output: Format) -> None:
    async with installation() as here:
        found = await here.people.keys()
    now = datetime.now(UTC)
    cells = [
        (
            k.id,
            k.name,
            k.owner,
            " ".join(k.scopes),
            "revoked" if k.revoked_at else ("expired" if k.expires_at <= now else ago(k.expires_at, now)) if k.expires_at else "no end",
            f"{ago(k.last_used_at, now)} from {k.last_address}" if k.last_used_at else "never",
            str(k.uses),
        )
        for k in found
    ]  # fmt: skip
    shown = [{name: getattr(k, name) for name in SHOWN} for k in found]
    rows(output, shown, ("KEY", "NAME", "OWNER", "MAY", "ENDS", "LAST USED", "USES"), cells, "No key yet.")


SHOWN = (
    "id", "name", "owner", "scopes", "limits", "created_at", "expires_at", "revoked_at", "last_used_at",
    "last_address", "uses",
)  # fmt: skip


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What uses it, for example `backup script`")],
    owner: Annotated[str, typer.Option("--user", "-u", help="Account that it belongs to")],
    scope: Annotated[Scope, typer.Option("--scope", "-s", help="read, execute or admin")] = Scope.READ,
    days: Annotated[int, typer.Option("--days", "-d", min=0, help="Days until it ends; 0 for no end")] = 90,
    networks: Annotated[str, typer.Option("--from", help="Networks that may use it, as 192.168.1.0/24")] = "",
    output: OutputFormat = Format.TEXT,
) -> None:
    """Make a key and print it. It is not shown again.

    Example: tiercel key create "backup script" --user alice --scope read --days 30
    """

    async def work(here: Installation) -> "Said":
        person = await here.people.named(owner)
        return await here.people.add_key(person.id if person else "", name, scope, days, networks, here.actor)

    change(output, work)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="First part of the key, as `tiercel key list` shows it")],
    output: OutputFormat = Format.TEXT,
) -> None:
    """End a key for good.

    Example: tiercel key revoke tcl_0a1b2c3d4e
    """
    change(output, lambda here: here.people.revoke_key(key, here.actor))
