"""Attempts that run as processes of this machine: whether they live, and ending them. Needs no engine object."""

import asyncio
import os
import signal
from pathlib import Path
from typing import cast

from adapters.containers import attempt, cgroup, files
from domain.errors import TransientError
from domain.ids import SessionId
from domain.ports import EndReason, ExitState, Handle, SessionFolder

INSIDE = "inside"  # the runner's mode in a container: its pids mean nothing here
_POLL_S = 0.02
_KILL_S = 5.0


def exited(handle: Handle) -> ExitState | None:
    """The end, or None. `lost`: the runner was killed, and everything below it is gone.

    The runner's record is not the end: it is still on its way out then. A runner that stays is killed by `stop`.
    """
    folder = handle.folder.attempt(handle.attempt)
    who = attempt.started(folder)
    if who is not None and attempt.on_host(folder) and _lives(who):
        return None
    # Looked for after the runner was gone: it writes its record before.
    if state := attempt.ended(folder):
        return state
    if who is not None and not attempt.on_host(folder):
        return None
    _remove_groups(who)
    return attempt.record_end(folder, None, "lost", "its runner was killed")


def _remove_groups(who: dict[str, object] | None) -> None:
    """What a killed runner could not do itself. Only its own kind of name, and the kernel keeps what is not empty."""
    groups = who.get("groups") if who else None
    if isinstance(groups, list):
        found = [str(group) for group in cast("list[object]", groups)]
        cgroup.remove([f for f in found if f.startswith(cgroup.ROOT) and Path(f).name.startswith("tiercel-")])


async def stop(handle: Handle, grace_s: float, reason: EndReason = "stopped") -> ExitState:
    """End it and everything below it. Raises TransientError where even the kernel does not manage."""
    folder = handle.folder.attempt(handle.attempt)
    if state := exited(handle):
        return state
    attempt.ask_to_stop(folder, grace_s, reason)
    _signal(folder, signal.SIGTERM)
    state = await wait_for_end(handle, grace_s + _KILL_S)
    return state or await _kill_runner(handle, folder, reason)


async def _kill_runner(handle: Handle, folder: Path, reason: EndReason) -> ExitState:
    """The runner does not answer. Killing it takes the sandbox along, by the kernel."""
    _signal(folder, signal.SIGKILL)
    for _ in range(int(_KILL_S / _POLL_S)):
        who = attempt.started(folder)
        if who is None or not _lives(who):
            _remove_groups(who)
            return attempt.record_end(folder, 137, reason, "its runner did not answer and was killed")
        await asyncio.sleep(_POLL_S)
    raise TransientError(f"Session {handle.session} cannot be ended; look at its processes with `ps`.")


async def sweep(sessions: Path, alive: frozenset[SessionId], min_age_s: float) -> tuple[SessionId, ...]:
    """End every process below `sessions` whose session is not in `alive` and that is older than `min_age_s`."""
    swept: list[SessionId] = []
    for session, number in await asyncio.to_thread(attempt.unfinished, sessions):
        folder = SessionFolder(root=sessions / session)
        who = attempt.started(folder.attempt(number))
        if (
            session in alive
            or who is None
            or not attempt.on_host(folder.attempt(number))
            or attempt.age_s(folder.attempt(number)) < min_age_s
        ):
            continue
        state = await stop(Handle(session=session, attempt=number, engine="process", identity="", folder=folder), 1.0)
        if state.reason != "lost":
            swept.append(session)
    return tuple(dict.fromkeys(swept))


async def wait_for_end(handle: Handle, patience_s: float) -> ExitState | None:
    """The end, or None where it does not come in time."""
    for _ in range(int(patience_s / _POLL_S)):
        if state := exited(handle):
            return state
        await asyncio.sleep(_POLL_S)
    return None


def _lives(who: dict[str, object]) -> bool:
    return _is(who, "pid", "start_time") or _is(who, "inner", "inner_start_time")


def _is(who: dict[str, object], pid: str, start: str) -> bool:
    number = who.get(pid)
    return isinstance(number, int) and files.start_time(number) == who.get(start)


def _signal(folder: Path, signum: int) -> None:
    """Signal the runner, and surely not a process that got its number since."""
    who = attempt.started(folder)
    pid = who.get("pid") if who else None
    if who is None or not isinstance(pid, int) or not attempt.on_host(folder):
        return
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if _is(who, "pid", "start_time"):
            signal.pidfd_send_signal(fd, signum)
    except ProcessLookupError:
        return
    finally:
        os.close(fd)
