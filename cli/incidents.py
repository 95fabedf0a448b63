"""`run`, `runs`, `show`, `logs`: start a look, list, read, follow."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.context import Installation, fail, installation, run
from cli.exits import Exit, exit_of
from cli.output import Format, ago, err, hint, one, out, plain, rows, safe
from domain.ids import SessionId
from domain.incident import CLOSED_STATES, IncidentState

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
    if not prompt and (service or wait or tier > 1):
        fail('--service, --tier and --wait need a prompt: tiercel run "what is wrong?" --service web', Exit.USAGE)

    async def work() -> Exit:
        async with installation() as here:
            if not prompt:
                await here.engine()
                act = await here.actions.patrol(here.actor)
            else:
                target = await here.insights.resolve(service) if service else ""
                if target is None:
                    fail(
                        f"--service: '{service}' is not one service of the inventory; `tiercel services` lists them",
                        Exit.USAGE,
                    )
                await here.engine()
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
                    err.print(safe(f"{incident}: {row.state}: {row.summary}"), markup=False)
                    return exit_of(IncidentState(row.state))
                await asyncio.sleep(0.5)
    except TimeoutError:
        err.print(f"still running after {timeout_s:.0f} s; it goes on. tiercel show {incident}", markup=False)
        return Exit.TIMED_OUT


def list_(
    state: Annotated[list[IncidentState] | None, typer.Option("--state", help="Only these states")] = None,
    service: Annotated[str, typer.Option("--service", "-s", help="Only this service, in any spelling")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500)] = 20,
    output: OutputFormat = Format.TEXT,
) -> None:
    """List incidents, newest first.

    Example: tiercel runs --state needs_person --state waiting -o jsonl
    """

    async def work() -> None:
        from adapters.database.records import IncidentFilter

        async with installation() as here:
            target = await here.insights.resolve(service) if service else ""
            which = IncidentFilter(states=tuple(s.value for s in state or ()), service=target or service)
            page = await here.insights.incidents(which, limit=limit)
        now = datetime.now(UTC)
        cells = [
            (r.id, r.service or "-", r.state, f"T{r.tier}" if r.tier else "-", ago(r.opened_at, now), r.summary[:80])
            for r in page.rows
        ]
        empty = (
            "No incident matches."
            if state or service
            else "No incident yet. Services are probed by code; a model is asked only when something fails."
        )
        rows(output, page.rows, ("ID", "SERVICE", "STATE", "TIER", "OPENED", "SUMMARY"), cells, empty)

    run(work)


def show(incident: Annotated[str, typer.Argument(help="Incident id")], output: OutputFormat = Format.TEXT) -> None:
    """One incident: its state, its history, its actions. The exit code tells how it stands.

    0: fine or still at work, 5: ended badly or needs you, 7: waits for an approval.
    """

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
    tail: Annotated[int, typer.Option("--tail", min=0, help="Only the last lines of each session; 0: all")] = 0,
    output: OutputFormat = Format.TEXT,
) -> None:
    """What the sessions of an incident printed, in order. As JSON it is always one line per line.

    Example: tiercel logs -f inc_0123456789abcdef01
    """

    async def work() -> None:
        async with installation() as here:
            seen: dict[tuple[SessionId, int], int] = {}
            while True:
                row = await here.reads.incident(incident)
                if row is None:
                    fail(f"there is no incident '{incident}'; `tiercel runs` lists them", Exit.USAGE)
                await _print_new(here, incident, seen, tail, output)
                if not follow or row.state in CLOSED_STATES:
                    return
                await asyncio.sleep(0.3)

    run(work)


async def _print_new(
    here: Installation, incident: str, seen: dict[tuple[SessionId, int], int], tail: int, output: Format
) -> None:
    for session in await here.reads.sessions_of(incident):
        key = (SessionId(session.id), session.attempt)
        if key not in seen:
            err.print(f"── tier {session.tier} {session.model} (attempt {session.attempt}) ──", markup=False)
            last = await here.reads.last_seq(*key) if tail else 0
            seen[key] = max(0, last - tail) if tail else 0
        while True:
            lines = await here.reads.read_output(*key, seen[key], 500)
            if not lines:
                break
            for line in lines:
                if output == Format.TEXT:
                    out.print(safe(line.text), markup=False)
                else:
                    one(Format.JSONL, {"session": session.id, "attempt": session.attempt, **plain(line)}, "")
            seen[key] = lines[-1].seq
