"""What the gateway looks with: the same probes as the patrol's, and the targets' logs. It never acts."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from adapters.actions.router import EffectRouter
from adapters.probes.addresses import Addresses
from adapters.probes.runner import ProbeRunner
from config.logging import secrets_of
from config.settings import Settings
from domain.inventory import Inventory
from domain.looking import Need
from domain.ports import Clock, Logs, Prober
from gateway.docker_engine import DockerEngine
from gateway.docker_window import DockerWindow
from gateway.looking.sight import Sight
from policy.redaction import redactor


def sight(settings: Settings, clock: Clock, window: DockerWindow, stack: AsyncExitStack) -> tuple[Prober, Logs, Sight]:
    """Prober, logs and what the tools look with, closed with `stack`. All is redacted before a session sees it."""
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
    addresses = Addresses(threads=8)
    stack.callback(addresses.close)
    tools = Sight(
        clock=clock,
        redact=redact,
        window=window,
        units=targets.unit_look,
        addresses=addresses,
        repos_dir=settings.repos_dir,
    )
    return prober, targets, tools


def docker_window(
    settings: Settings, inventory: Callable[[], Awaitable[Inventory]], stack: AsyncExitStack
) -> DockerWindow:
    """What sessions may see of this node's engine. Its connections are closed with `stack`."""
    secrets = secrets_of(settings)
    engine = DockerEngine(settings.docker_host)
    stack.push_async_callback(engine.close)
    return DockerWindow(engine, inventory, redactor(secrets), secrets)


def presence(settings: Settings, window: DockerWindow, root: Path = Path("/")) -> Callable[[], frozenset[Need]]:
    """Tells what there is on this machine, anew at each call: an engine may come up later than we do."""

    def present() -> frozenset[Need]:
        systemd = (root / "run/systemd/system").is_dir()
        found = {
            Need.NOTHING: True,
            Need.DOCKER: window.engine.there(),
            Need.LINUX: (root / "proc/self/mounts").exists(),
            Need.UNITS: systemd or settings.units_socket is not None,
            Need.JOURNAL: systemd and any((root / place / "log/journal").is_dir() for place in ("var", "run")),
        }
        return frozenset(need for need, there in found.items() if there)

    return present
