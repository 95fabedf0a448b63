"""`tiercel up`: Postgres, Temporal, gateway, worker and web on one machine, in order, watched, and gone afterwards."""

import asyncio
import contextlib
import os
import resource
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import TextIO

from config import claude_cli
from config.logging import secrets_of
from config.settings import Settings
from domain.errors import ConfigurationError
from policy.redaction import redactor
from worker import supervisor_disk, supervisor_outage, up_endpoints, up_ports, up_welcome
from worker.supervisor import OWN_NAME, Event, Limits, Supervisor
from worker.supervisor_child import ChildSpec
from worker.supervisor_log import CombinedLog
from worker.supervisor_outage import Notify
from worker.up_endpoints import UpLock
from worker.up_stack import Stack, within

_PORTS_PATIENCE_S = 5.0  # what a killed predecessor's children need to let go of their ports
_OPEN_FILES = 65_536


async def up(
    settings: Settings,
    *,
    stop: asyncio.Event,
    kill: asyncio.Event | None = None,
    extra: Sequence[ChildSpec] = (),
    on_event: Callable[[Event], None] | None = None,
    notify_fallback: Notify | None = None,
    outage_after_s: float = 30.0,
    limits: Limits | None = None,
    terminal: TextIO | None = sys.stdout,
) -> int:
    """Run until `stop` is set: clean and in order. `kill` ends everything at once. Returns an exit code.

    `extra` children may depend on ours (`postgres` and `temporal` where they are our own, `gateway`, `worker`,
    `web`). `notify_fallback` is called when Temporal or Postgres stays away for `outage_after_s` seconds, when they
    are back, and when a child cannot be kept alive. Raises ConfigurationError for what its message can fix.
    """
    _ = settings.shared_secret()  # the gateway would only fail later, five times
    with UpLock(settings.home):
        up_endpoints.remove(settings.home)  # a killed predecessor's addresses would pass for ours
        log = _log(settings, terminal)
        try:
            await asyncio.to_thread(claude_cli.find, settings)  # the worker would only fail later, five times
            await _ports_free(settings)
            _raise_open_files()
            async with Stack(settings, log) as stack:
                supervisor = Supervisor([*stack.specs(), *extra], log, limits=limits, on_event=on_event)
                disk = supervisor_disk.watch(settings.home, lambda text: log.write(OWN_NAME, text), notify_fallback)
                return await _run(
                    stack, supervisor, stop, kill or asyncio.Event(), notify_fallback, outage_after_s, disk, log
                )
        finally:
            up_endpoints.remove(settings.home)
            log.close()


async def run(
    settings: Settings,
    *,
    extra: Sequence[ChildSpec] = (),
    on_event: Callable[[Event], None] | None = None,
    notify_fallback: Notify | None = None,
) -> int:
    """`up` with Ctrl-C: once stops cleanly, twice ends everything at once."""
    stop, kill = asyncio.Event(), asyncio.Event()
    with stopped_by_signals(stop, kill):
        return await up(settings, stop=stop, kill=kill, extra=extra, on_event=on_event, notify_fallback=notify_fallback)


@contextlib.contextmanager
def stopped_by_signals(stop: asyncio.Event, kill: asyncio.Event) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal set `stop`, a second one sets `kill`."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def asked() -> None:
        (kill if stop.is_set() else stop).set()

    for signum in signals:
        loop.add_signal_handler(signum, asked)
    try:
        yield
    finally:
        for signum in signals:
            loop.remove_signal_handler(signum)


async def _run(
    stack: Stack,
    supervisor: Supervisor,
    stop: asyncio.Event,
    kill: asyncio.Event,
    notify: Notify | None,
    outage_after_s: float,
    disk: Coroutine[None, None, None],
    log: CombinedLog,
) -> int:
    helpers = [
        asyncio.create_task(disk),
        asyncio.create_task(_publish(stack, supervisor, log)),
        asyncio.create_task(_kill_when_asked(supervisor, kill)),
    ]
    if notify is not None:
        probes = {"Temporal": stack.temporal.answers, "Postgres": stack.postgres_answers}
        helpers.append(asyncio.create_task(supervisor_outage.watch(probes, notify, after_s=outage_after_s)))
    try:
        code = await supervisor.run(stop)
    finally:
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
    if supervisor.failure and notify is not None:
        with contextlib.suppress(Exception):  # the log has it as well
            await notify("Tiercel has stopped", f"It cannot go on without you: {supervisor.failure}")
    return code


async def _publish(stack: Stack, supervisor: Supervisor, log: CombinedLog) -> None:
    await supervisor.all_ready.wait()
    up_endpoints.write(stack.settings.home, stack.endpoints)
    for line in up_welcome.lines(stack.settings, stack.offer.link):
        log.write(OWN_NAME, line)


async def _kill_when_asked(supervisor: Supervisor, kill: asyncio.Event) -> None:
    await kill.wait()
    supervisor.kill()


async def _ports_free(settings: Settings) -> None:
    async def free() -> bool:
        return not await asyncio.to_thread(up_ports.taken, settings)

    if not await within(_PORTS_PATIENCE_S, free):
        raise ConfigurationError("\n".join(str(taken) for taken in up_ports.taken(settings)))


def _log(settings: Settings, terminal: TextIO | None) -> CombinedLog:
    folder = settings.home / "logs"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return CombinedLog(
        folder / "tiercel.log",
        terminal,
        redact=redactor(secrets_of(settings)),
        as_json=settings.log_json,
        coloured=terminal is not None and terminal.isatty() and not os.environ.get("NO_COLOR"),
    )


def _raise_open_files() -> None:
    """Many systems start with 1,024 open files, which caps live viewers and sessions."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
