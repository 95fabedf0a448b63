"""What the gateway looks with: the same probes as the patrol's, and the targets' logs. It never acts."""

from contextlib import AsyncExitStack

from adapters.actions.router import EffectRouter
from adapters.probes.runner import ProbeRunner
from config.logging import secrets_of
from config.settings import Settings
from domain.ports import Clock, Logs, Prober
from policy.redaction import redactor


def sight(settings: Settings, clock: Clock, stack: AsyncExitStack) -> tuple[Prober, Logs]:
    """Prober and logs, closed with `stack`. What they find is redacted before a session sees it."""
    redact = redactor(secrets_of(settings))
    targets = EffectRouter.from_settings(settings, redact)
    stack.callback(targets.close)
    prober = ProbeRunner(
        clock=clock,
        redact=redact,
        units=targets.unit_look,
        containers=targets.container_look,
        commands_dir=settings.commands_dir,
    )
    stack.push_async_callback(prober.close)
    return prober, targets
