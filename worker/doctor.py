"""`tiercel doctor`: looks at what stops people and gives each finding a cause and a fix. Changes nothing."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence

from config.settings import Settings, load
from domain.errors import ConfigurationError
from worker import doctor_access, doctor_machine, doctor_parts, doctor_remote, doctor_settings
from worker.doctor_finding import Finding, fail, warn

__all__ = ["Finding", "examine", "examine_environment"]

Check = Callable[[Settings], Awaitable[Sequence[Finding]]]
_PATIENCE_S = 45.0


async def examine(settings: Settings) -> list[Finding]:
    """All findings, in the order in which one would fix them. A check that breaks is a finding as well."""
    checks: tuple[Check, ...] = (
        *doctor_machine.CHECKS,
        *doctor_settings.CHECKS,
        *doctor_access.CHECKS,
        *doctor_remote.CHECKS,
        *doctor_parts.CHECKS,
    )
    answers = await asyncio.gather(*(_guarded(check, settings) for check in checks))
    return [finding for answer in answers for finding in answer]


async def examine_environment(environ: Mapping[str, str] | None = None) -> list[Finding]:
    """As `examine`; wrong settings are findings, one per variable, instead of an exception."""
    env = os.environ if environ is None else environ
    try:
        settings = load(env)
    except ConfigurationError as e:
        return [_wrong_setting(line) for line in str(e).splitlines()]
    return [*await examine(settings), *doctor_settings.secret_files(env)]


async def _guarded(check: Check, settings: Settings) -> Sequence[Finding]:
    name = check.__name__.strip("_").replace("_", " ")
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await check(settings)
    except TimeoutError:
        return [
            warn(
                name,
                f"no answer within {_PATIENCE_S:.0f} s",
                "run `tiercel doctor` again when the machine is less busy",
            )
        ]
    except Exception as e:  # noqa: BLE001 (one broken check must not hide the others)
        return [
            warn(
                name,
                f"could not be examined: {e or type(e).__name__}",
                "report this, with the output of `tiercel doctor`",
            )
        ]


def _wrong_setting(line: str) -> Finding:
    name, _, rest = line.partition(": ")
    cause, _, fix = rest.partition("; ")
    return fail(name, cause or line, fix or f"correct {name} or unset it")
