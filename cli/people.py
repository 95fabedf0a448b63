"""`approve`, `deny`, `change`, `services`, `cooldown`: what a person decides and looks up."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.context import fail, installation, run
from cli.exits import Exit
from cli.incidents import OutputFormat
from cli.output import Format, ago, hint, one, rows
from domain.health import ServiceStatus
from domain.incident import ApprovalState, Change
from policy.params import STOP_WAIT

A_YEAR = 365 * 24 * 60  # minutes


def _decide(approval_id: str, reason: str, output: Format, *, approve: bool, change: Change | None = None) -> None:
    async def work() -> Exit:
        async with installation() as here:
            approval = await here.insights.approval(approval_id)
            if approval is None:
                fail(
                    f"there is no approval '{approval_id}'; `tiercel approve` without an id lists what waits",
                    Exit.USAGE,
                )
            await here.engine()
            act = await here.actions.decide(
                approval, digest=approval.digest, approve=approve, reason=reason, actor=here.actor, change=change
            )
        one(output, act, act.message)
        if act.incident:
            hint(f"tiercel show {act.incident}")
        return Exit.OK if act.accepted else Exit.REFUSED

    raise typer.Exit(run(work))


def approve(
    approval: Annotated[str, typer.Argument(help="Approval id; without it, what waits is listed")] = "",
    reason: Annotated[str, typer.Option("--reason", "-r", help="Kept with your name")] = "",
    output: OutputFormat = Format.TEXT,
) -> None:
    """Approve one exact action, or list what waits for you.

    Example: tiercel approve apr_0123456789abcdef01 --reason "backup is fresh"
    """
    if approval:
        _decide(approval, reason, output, approve=True)
    run(lambda: _pending(output))


async def _pending(output: Format) -> None:
    async with installation() as here:
        waiting, _ = await here.insights.approvals()
    now = datetime.now(UTC)
    cells = [
        (a.id, f"{a.action.kind} {a.action.target}", a.action.risk.value, ago(a.expires_at, now), a.blast.sentence)
        for a in waiting
        if a.state == ApprovalState.PENDING
    ]
    rows(
        output, waiting, ("ID", "ACTION", "RISK", "EXPIRES (AS DENIED)", "WHO NOTICES"), cells, "Nothing waits for you."
    )


def deny(
    approval: Annotated[str, typer.Argument(help="Approval id")],
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; the session and the next person read it")],
    output: OutputFormat = Format.TEXT,
) -> None:
    """Deny one action.

    Example: tiercel deny apr_0123456789abcdef01 --reason "not during the fair"
    """
    _decide(approval, reason, output, approve=False)


def change(
    approval: Annotated[str, typer.Argument(help="Approval id")],
    to: Annotated[str, typer.Option("--to", help="The action that you allow instead: '<kind> <service>'")],
    stop_wait_s: Annotated[
        int | None, typer.Option("--stop-wait-s", help="Seconds that a restarted container gets to stop by itself")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Kept with your name; the session reads it")] = "",
    output: OutputFormat = Format.TEXT,
) -> None:
    """Allow another exact action instead. The same rules judge it; the one that was asked for is never done.

    Example: tiercel change apr_0123456789abcdef01 --to "restart local/database" --stop-wait-s 60
    """
    kind, _, target = to.strip().partition(" ")
    params = {} if stop_wait_s is None else {STOP_WAIT.name: stop_wait_s}
    _decide(approval, reason, output, approve=True, change=Change(kind=kind, target=target.strip(), params=params))


def services(
    state: Annotated[ServiceStatus | None, typer.Option("--state", help="Only these")] = None,
    output: OutputFormat = Format.TEXT,
) -> None:
    """All services, with what the probes hold true of them."""

    async def work() -> None:
        async with installation() as here:
            found = [s for s in await here.reads.services() if not state or s.status == state]
        now = datetime.now(UTC)
        cells = [(s.id, s.status, ago(s.since, now) if s.since else "-", s.summary[:80]) for s in found]
        empty = (
            f"No service is {state}."
            if state
            else "No services. Put a repository with a CLAUDE-OPS.md or compose file into TIERCEL_REPOS_DIR, then `tiercel run`."
        )
        rows(output, found, ("SERVICE", "STATUS", "SINCE", "WHY"), cells, empty)

    run(work)


cooldown_app = typer.Typer(
    help="Slots of every service: used, free, reset.", no_args_is_help=False, invoke_without_command=True
)


@cooldown_app.callback()
def cooldown(ctx: typer.Context, output: OutputFormat = Format.TEXT) -> None:
    """Which slots are used, and when the next one is free."""
    if ctx.invoked_subcommand is None:
        run(lambda: _cooldowns(output))


async def _cooldowns(output: Format) -> None:
    async with installation() as here:
        page, _ = await here.insights.lists.cooldowns(limit=10_000)
        touched = page.rows
    now = datetime.now(UTC)
    cells = [
        (
            row.service,
            s.cooldown_class.value,
            f"{s.used} of {s.limit}",
            "now" if s.next_slot_at is None else ago(s.next_slot_at, now),
        )
        for row in touched
        for s in row.slots
        if s.used or s.next_slot_at
    ]
    rows(output, touched, ("SERVICE", "CLASS", "USED", "NEXT SLOT"), cells, "Every slot of every service is free.")


def _note(service: str, kind: str, minutes: int, reason: str, output: Format) -> None:
    async def work() -> Exit:
        async with installation() as here:
            target = await here.insights.resolve(service)
            if target is None:
                fail(f"'{service}' is not one service of the inventory; `tiercel services` lists them", Exit.USAGE)
            await here.engine()
            act = await here.actions.note(target, kind, minutes, reason, here.actor)
        one(output, act, act.message)
        return Exit.OK if act.accepted else Exit.REFUSED

    raise typer.Exit(run(work))


Service = Annotated[str, typer.Argument(help="Any spelling of one service")]
Minutes = Annotated[int, typer.Option("--minutes", "-m", min=0, max=A_YEAR, help="0 ends it")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; kept with your name")]


@cooldown_app.command()
def reset(service: Service, reason: Reason, output: OutputFormat = Format.TEXT) -> None:
    """Give all slots of a service back.

    Example: tiercel cooldown reset web --reason "replaced the disk"
    """
    _note(service, "reset", 0, reason, output)


@cooldown_app.command()
def snooze(
    service: Service,
    reason: Reason,
    minutes: Minutes = 60,
    output: OutputFormat = Format.TEXT,
) -> None:
    """Open nothing and do nothing for a while.

    Example: tiercel cooldown snooze web --minutes 120 --reason "noisy neighbour"
    """
    _note(service, "snooze", minutes, reason, output)


@cooldown_app.command()
def maintenance(
    service: Service,
    reason: Reason,
    minutes: Minutes = 60,
    output: OutputFormat = Format.TEXT,
) -> None:
    """You work on it yourself: hands off until then.

    Example: tiercel cooldown maintenance web --minutes 30 --reason "upgrade"
    """
    _note(service, "maintenance", minutes, reason, output)
