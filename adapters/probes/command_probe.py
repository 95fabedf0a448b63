"""command: run one program from the owner's commands folder. A repository can name it, never bring it."""

import asyncio
import ctypes
import os
import signal
import stat
from contextlib import suppress
from pathlib import Path

from adapters.probes.outcome import Outcome, error, fail, ok
from adapters.probes.tools import Tools
from domain.health import CommandProbe

OUTPUT_BYTES = 65_536
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


async def run(spec: CommandProbe, tools: Tools) -> Outcome:
    """FAIL on another exit code than declared or missing text; killed with all its children at the time limit."""
    program = _program(spec, tools.commands_dir)
    if isinstance(program, Outcome):
        return program
    try:
        process = await asyncio.create_subprocess_exec(
            str(program),
            *spec.args,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=program.parent,
            env={"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": "/nonexistent"},
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
    except (OSError, ValueError) as e:
        return error(f"{spec.command} cannot be started: {e}")
    try:
        output = await _output(process)
        code = await process.wait()
    finally:
        # Also on success: a command may leave children behind, and they would hold on to the machine.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    evidence = f"$ {' '.join([spec.command, *spec.args])}\nexit code {code}\n{output}"
    if code != spec.expect_exit:
        return fail(f"{spec.command} ended with exit code {code}", evidence)
    if spec.contains and spec.contains not in output:
        return fail(f"{spec.command} does not print '{spec.contains}'", evidence)
    return ok(f"{spec.command} ended with exit code {code}", evidence)


def _program(spec: CommandProbe, folder: Path | None) -> Path | Outcome:
    if folder is None:
        return error("command probes are off; set TIERCEL_COMMANDS_DIR to the folder of allowed programs")
    path = folder / spec.command
    try:
        mode = path.stat().st_mode
    except OSError as e:
        return error(
            f"there is no program {spec.command} in TIERCEL_COMMANDS_DIR ({e.strerror}); the owner must put it there"
        )
    if not stat.S_ISREG(mode) or not os.access(path, os.X_OK):
        return error(f"{spec.command} in TIERCEL_COMMANDS_DIR is no executable file; chmod +x it")
    return path.absolute()


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


async def _output(process: asyncio.subprocess.Process) -> str:
    stream, kept = process.stdout, bytearray()
    while stream is not None:
        chunk = await stream.read(16_384)
        if not chunk:
            break
        kept += chunk[: max(0, OUTPUT_BYTES - len(kept))]  # read on: a full pipe would hang the program
    return kept.decode("utf-8", "replace")
