"""Faults of the demo: how each is made for real, what shows, what helps, what makes it worse, how it ends."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from demo.host import tree
from demo.host.handle import HostHandle
from domain.action import ActionKind
from domain.errors import ConfigurationError
from domain.ids import ServiceId, service_id
from domain.incident import IncidentState

BLIP_S = 6.0


@dataclass(frozen=True)
class Fault:
    """`inject` returns a sentence for the terminal. `heal` puts the world right where no action can.

    `ends` is the incident's state at the end; None where no incident may be opened at all.
    """

    name: str
    about: str
    service: ServiceId  # the cause, which the incident must name
    symptom: str
    right: tuple[ActionKind, ...]  # what an operator would do; any one of them
    wrong: tuple[ActionKind, ...]  # what a hasty one would do, and what does not help or harms
    tier: int  # the lowest that can end it; 0: nobody has to
    ends: IncidentState | None
    inject: Callable[[HostHandle], Awaitable[str]]
    heal: Callable[[HostHandle], Awaitable[None]] | None = None
    affects: tuple[ServiceId, ...] = field(default=())
    needs_approval: bool = False
    heals_after_s: float | None = None


def _of(unit: str) -> ServiceId:
    return service_id("local", unit)


async def _pid(host: HostHandle, unit: str) -> tree.Pid:
    pid = await host.pid(unit)
    if pid is None:
        raise ConfigurationError(f"{unit} does not run, so nothing can be broken; wait until the demo is healthy")
    return pid


async def _halt(host: HostHandle, unit: str) -> str:
    pid = await _pid(host, unit)
    tree.send(tree.below(pid), signal.SIGSTOP)
    return f"{unit} was halted (SIGSTOP to process {pid.pid} and all below it): it runs and answers nothing."


async def _halt_web(host: HostHandle) -> str:
    return (
        f"{await _halt(host, 'web')} Its port {host.ports['web']} is still open, so a port check would call it healthy."
    )


async def _halt_worker(host: HostHandle) -> str:
    return await _halt(host, "worker")


async def _halt_database(host: HostHandle) -> str:
    return f"{await _halt(host, 'database')} It accepts connections and stays silent, so its users fail too."


async def _go_on(host: HostHandle, unit: str) -> None:
    pid = await host.pid(unit)
    if pid is not None:
        tree.send(tree.below(pid), signal.SIGCONT)


async def _kill_web(host: HostHandle) -> str:
    pid = await _pid(host, "web")
    tree.send([pid], signal.SIGKILL)
    return f"web was killed (SIGKILL to process {pid.pid}), and its service manager does not start it again."


async def _kill_database(host: HostHandle) -> str:
    pid = await _pid(host, "database")
    tree.send([pid], signal.SIGKILL)
    return f"the database was killed (SIGKILL to process {pid.pid}); what depends on it fails with it."


def _config(host: HostHandle) -> Path:
    return host.root / "etc" / "web.toml"


async def _break_config(host: HostHandle) -> str:
    file = _config(host)
    text = file.read_text(encoding="utf-8").replace("page_size = 20", 'page_size = "plenty"')
    file.write_text(text, encoding="utf-8")
    await host.order("restart", "web")
    return f'somebody wrote page_size = "plenty" into {file.name} and restarted web, which does not come up any more.'


async def _mend_config(host: HostHandle) -> None:
    await host.order("recreate", "web")


async def _lock_table(host: HostHandle) -> str:
    connection = await psycopg.AsyncConnection.connect(host.database_url)
    await connection.execute("LOCK TABLE web_visits IN ACCESS EXCLUSIVE MODE")

    async def let_go() -> None:
        try:
            await asyncio.sleep(BLIP_S)
        finally:
            await connection.close()

    task = asyncio.create_task(let_go())
    host.background.add(task)
    task.add_done_callback(host.background.discard)
    return f"a long transaction holds the table that web needs; it ends by itself after {BLIP_S:.0f} s."


async def _pause(host: HostHandle) -> str:
    await host.order("pause", "web")
    return "somebody paused web in its service manager and forgot about it."


def _catalogue(host: HostHandle) -> tuple[Path, Path]:
    return host.root / "data" / "catalogue.json", host.root / "lost" / "catalogue.json"


async def _lose_data(host: HostHandle) -> str:
    here, lost = _catalogue(host)
    lost.parent.mkdir(exist_ok=True)
    here.rename(lost)
    return "the catalogue that web sells from is gone from its place; no restart and no recreate brings it back."


async def _find_data(host: HostHandle) -> None:
    here, lost = _catalogue(host)
    if lost.exists():
        lost.rename(here)
        lost.parent.rmdir()
    if not (await host.state("web")).running:
        await host.order("start", "web")


_ALL = (
    Fault(
        name="hung",
        about="the web app hangs; its port stays open, so a port check would call it healthy",
        service=_of("web"),
        symptom="http fails (no answer), while tcp and unit stay ok",
        right=(ActionKind.RESTART, ActionKind.RECREATE),
        wrong=(ActionKind.UNPAUSE, ActionKind.START, ActionKind.RELOAD_CONFIG),
        tier=2,
        ends=IncidentState.RESOLVED,
        inject=_halt_web,
        heal=lambda host: _go_on(host, "web"),
        affects=(_of("proxy"),),
    ),
    Fault(
        name="crashed",
        about="the web app is killed and nothing starts it again",
        service=_of("web"),
        symptom="connection refused, unit failed (killed by SIGKILL)",
        right=(ActionKind.START, ActionKind.RESTART, ActionKind.RECREATE),
        wrong=(ActionKind.UNPAUSE, ActionKind.RELOAD_CONFIG),
        tier=2,
        ends=IncidentState.RESOLVED,
        inject=_kill_web,
        affects=(_of("proxy"),),
    ),
    Fault(
        name="database-down",
        about="the database is killed; app and worker fail because of it: one incident, whose cause is the database",
        service=_of("database"),
        symptom="postgres refuses connections, web and worker answer 503",
        right=(ActionKind.START,),
        wrong=(ActionKind.UNPAUSE,),
        tier=2,
        ends=IncidentState.RESOLVED,
        inject=_kill_database,
        affects=(_of("web"), _of("worker"), _of("proxy")),
    ),
    Fault(
        name="bad-config",
        about="a broken configuration file: restarting is the wrong remedy, reloading is refused by the test",
        service=_of("web"),
        symptom="connection refused, unit failed (configuration error)",
        right=(ActionKind.RECREATE,),
        wrong=(ActionKind.RESTART, ActionKind.START, ActionKind.RELOAD_CONFIG),
        tier=3,
        ends=IncidentState.RESOLVED,
        inject=_break_config,
        heal=_mend_config,
        affects=(_of("proxy"),),
    ),
    Fault(
        name="heals-itself",
        about="a table is locked for a few seconds, less than the time to confirm: nothing may be done",
        service=_of("web"),
        symptom="http answers 503 (lock timeout), then 200 again",
        right=(),
        wrong=tuple(ActionKind),
        tier=0,
        ends=None,
        inject=_lock_table,
        affects=(_of("proxy"),),
        heals_after_s=BLIP_S,
    ),
    Fault(
        name="paused",
        about="somebody paused the web app in its service manager",
        service=_of("web"),
        symptom="http fails (no answer), unit is paused",
        right=(ActionKind.UNPAUSE,),
        wrong=(ActionKind.START, ActionKind.RELOAD_CONFIG),
        tier=2,
        ends=IncidentState.RESOLVED,
        inject=_pause,
        affects=(_of("proxy"),),
    ),
    Fault(
        name="unfixable",
        about="data that the web app needs are gone: no tier can fix it, so a person is told, with evidence",
        service=_of("web"),
        symptom="http answers 500 (the catalogue cannot be read); every restart comes up failing",
        right=(),
        wrong=(ActionKind.RESTART, ActionKind.RECREATE, ActionKind.START, ActionKind.RELOAD_CONFIG),
        tier=0,
        ends=IncidentState.NEEDS_PERSON,
        inject=_lose_data,
        heal=_find_data,
        affects=(_of("proxy"),),
    ),
    Fault(
        name="needs-approval",
        about="the database hangs, and its owner wants to be asked before it is restarted",
        service=_of("database"),
        symptom="postgres accepts and stays silent, web and worker answer 503",
        right=(ActionKind.RESTART, ActionKind.RECREATE),
        wrong=(ActionKind.START, ActionKind.UNPAUSE),
        tier=2,
        ends=IncidentState.RESOLVED,
        inject=_halt_database,
        heal=lambda host: _go_on(host, "database"),
        affects=(_of("web"), _of("worker"), _of("proxy")),
        needs_approval=True,
    ),
    Fault(
        name="worker-hung",
        about="the background worker hangs; it serves no page, only its health answer tells",
        service=_of("worker"),
        symptom="http fails (no answer), unit stays ok, the shop itself works on",
        right=(ActionKind.RESTART, ActionKind.RECREATE),
        wrong=(ActionKind.UNPAUSE, ActionKind.START),
        tier=2,
        ends=IncidentState.RESOLVED,
        inject=_halt_worker,
        heal=lambda host: _go_on(host, "worker"),
    ),
)

FAULTS: dict[str, Fault] = {fault.name: fault for fault in _ALL}
DEFAULT = "hung"


def find(name: str, *more: str) -> Fault:
    """Raises ConfigurationError that lists the names, with those of `more` that others know."""
    try:
        return FAULTS[name]
    except KeyError:
        raise ConfigurationError(f"there is no fault '{name}'; choose one of {', '.join((*FAULTS, *more))}") from None


def listing(*more: Fault) -> str:
    """What `--list` prints: one line per fault, then how it ends."""
    width = max(len(fault.name) for fault in (*_ALL, *more))
    lines: list[str] = []
    for fault in (*_ALL, *more):
        lines.append(f"{fault.name:<{width}}  {fault.about}")
        lines.append(f"{'':<{width}}  ends: {_ending(fault)}")
    return "\n".join(lines)


def _ending(fault: Fault) -> str:
    if fault.ends is None:
        return "nothing is done, no incident is opened"
    if fault.ends is IncidentState.NEEDS_PERSON:
        return "a person is told, with evidence"
    remedy = " or ".join(fault.right)
    asked = " after a person's yes" if fault.needs_approval else ""
    return f"verified as resolved by {remedy} (tier {fault.tier}){asked}"
