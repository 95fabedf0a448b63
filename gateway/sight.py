"""What the gateway looks with: the same probes as the patrol's, and the targets' logs."""

from contextlib import AsyncExitStack

from adapters.probes.runner import ProbeRunner
from config.logging import secrets_of
from config.settings import Settings
from domain.errors import FatalError
from domain.inventory import Service
from domain.ports import Clock, Logs, Prober
from policy.redaction import redactor


class NoLogs:
    """No node here can be asked for logs."""

    async def tail(self, service: Service, lines: int = 100) -> str:
        """Always raises FatalError."""
        raise FatalError("the logs of this kind of service cannot be read")


async def sight(settings: Settings, clock: Clock, stack: AsyncExitStack) -> tuple[Prober, Logs]:
    """Prober and logs, closed with `stack`."""
    prober = ProbeRunner(clock=clock, redact=redactor(secrets_of(settings)), commands_dir=settings.commands_dir)
    stack.push_async_callback(prober.close)
    return prober, NoLogs()
