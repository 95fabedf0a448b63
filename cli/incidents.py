"""`run`, `runs`, `show`, `logs`: start a look, list, read, follow."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.context import Installation, fail, installation, run
from cli.exits import Exit, exit_of
from cli.output import Format, ago, err, hint, one, out, rows
from domain.incident import CLOSED_STATES, IncidentState
from domain.session import OutputLine

OutputFormat = Annotated[Format, typer.Option("--output", "-o", help="text, json or jsonl")]
SETTLED = CLOSED_STATES | {IncidentState.WATCHING, IncidentState.NEEDS_PERSON, IncidentState.WAITING}


def start(
    prompt: Annotated[str, typer.Argument(help="What to look at, in your words. Without it a patrol starts.")] = "",
    service: Annotated[str, typer.Option("--service", "-s", help="Any spelling of one service")] = "",
    tier: Annotated[int, typer.Option("--tier", "-t", min=1, max=3, help="Tier to begin with")] = 1,
    *,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Wait for the end; the exit code tells how it ended")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds that --wait waits")] = 1800.0,
    output: OutputFormat = Format.TEXT,
) -> None:
    """Start a patrol, or let a session look at something.

    Example: tiercel run "why is it slow since noon?" --service web --tier 2 --wait
    """

    async def work() -> Exit:
        async with installation() as here:
            if not prompt:
                act = await here.actions.patrol(here.actor)
            else:
                target = await here.insights.resolve(service) if service else ""
                if target is None:
                    fail(
                        f"--service: '{service}' is not one service of the inventory; `tiercel services` lists them",
                        Exit.USAGE,
                    )
                act = await here.actions.look(target, prompt, tier, here.actor)
            one(output, act, act.message)
            if not act.accepted:
                return Exit.REFUSED
            if act.incident:
                hint(f"tiercel show {act.incident}    tiercel logs -f {act.incident}")
            return await _wait(here, act.incident, timeout) if wait and act.incident else Exit.OK

    raise typer.Exit(run(work))


async def _wait(here: Installation, incident: str, timeout_s: float) -> Exit:
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                row = await here.reads.incident(incident)
                if row is not None and row.state in SETTLED:
                    err.print(f"{incident}: {row.state}: {row.summary}", markup=False)
                    return exit_of(IncidentState(row.state))
                await asyncio.sleep(0.5)
    except TimeoutError:
        err.print(f"still running after {timeout_s:.0f} s; it goes on. tiercel show {incident}", markup=False)
        return Exit.TIMED_OUT


def list_(
    state: Annotated[list[IncidentState] | None, typer.Option("--state", help="Only these states")] = None,
    service: Annotated[str, typer.Option("--service", "-s", help="Only this service (canonical id)")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500)] = 20,
    output: OutputFormat = Format.TEXT,
) -> None:
    """List incidents, newest first."""

    async def work() -> None:
        from adapters.database.records import IncidentFilter

        async with installation() as here:
            which = IncidentFilter(states=tuple(s.value for s in state or ()), service=service)
            page = await here.insights.incidents(which, limit=limit)
        now = datetime.now(UTC)
        cells = [
            (r.id, r.service or "-", r.state, f"T{r.tier}" if r.tier else "-", ago(r.opened_at, now), r.summary[:80])
            for r in page.rows
        ]
        empty = "No incident yet. Services are probed by code; a model is asked only when something fails."
        rows(output, page.rows, ("ID", "SERVICE", "STATE", "TIER", "OPENED", "SUMMARY"), cells, empty)

    run(work)


def show(incident: Annotated[str, typer.Argument(help="Incident id")], output: OutputFormat = Format.TEXT) -> None:
    """One incident: its state, its history, its actions. The exit code tells how it stands."""

    async def work() -> Exit:
        async with installation() as here:
            view = await here.insights.incident(incident)
        if view is None:
            fail(f"there is no incident '{incident}'; `tiercel runs` lists them", Exit.USAGE)
        lines = [f"{view.row.service or 'look'}: {view.row.state}, tier {view.row.tier}: {view.row.summary}", ""]
        lines += [f"{t.at:%H:%M:%S}  {t.kind:<14} {t.text}" for t in view.timeline]
        one(output, view, "\n".join(lines))
        for approval in view.pending:
            hint(f"tiercel approve {approval.id}    tiercel deny {approval.id} --reason ...")
        return exit_of(IncidentState(view.row.state)) if view.row.state in SETTLED else Exit.OK

    raise typer.Exit(run(work))


def logs(
    incident: Annotated[str, typer.Argument(help="Incident id")],
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the incident ends")] = False,
    tail: Annotated[int, typer.Option("--tail", help="Only the last lines of each session; 0: all")] = 0,
) -> None:
    """What the sessions of an incident printed, in order."""

    async def work() -> None:
        async with installation() as here:
            seen: dict[tuple[str, int], int] = {}
            while True:
                row = await here.reads.incident(incident)
                if row is None:
                    fail(f"there is no incident '{incident}'; `tiercel runs` lists them", Exit.USAGE)
                await _print_new(here, incident, seen, tail)
                if not follow or row.state in CLOSED_STATES:
                    return
                await asyncio.sleep(0.3)

    run(work)


async def _print_new(here: Installation, incident: str, seen: dict[tuple[str, int], int], tail: int) -> None:
    for session in await here.reads.sessions_of(incident):
        key = (session.id, session.attempt)
        if key not in seen:
            err.print(f"── tier {session.tier} {session.model} (attempt {session.attempt}) ──", markup=False)
            last = await here.reads.last_seq(*key) if tail else 0
            seen[key] = max(0, last - tail) if tail else 0
        while True:
            lines: tuple[OutputLine, ...] = await here.reads.read_output(*key, seen[key], 500)
            if not lines:
                break
            for line in lines:
                out.print(line.text, markup=False)
            seen[key] = lines[-1].seq
