"""Which engine runs the sessions of this installation."""

import os
import uuid
from pathlib import Path

from adapters.containers.attempt import SWEEP_AGE_S
from adapters.containers.container import ContainerEngine
from adapters.containers.process import ProcessEngine
from config.claude_cli import find
from config.settings import Settings
from domain.errors import CannotIsolateError

_INSTALL = (
    "install bubblewrap (apt install bubblewrap), or a Docker engine and the session image (`tiercel image build`)"
)


async def select(settings: Settings, *, scripted: bool) -> ContainerEngine | ProcessEngine:
    """The engine that the settings name; `auto`: containers where they work, else processes.

    An engine that was named but cannot isolate is an error for real models, never a silent fall-back to the other one.
    With `auto` and no isolation at all the process engine is returned: what may run without a wall is decided by
    policy from `isolation()`.
    """
    container, process = container_engine(settings), process_engine(settings)
    if settings.engine != "auto":
        chosen = container if settings.engine == "container" else process
        isolation = await chosen.isolation()
        if not isolation.isolated and (not scripted or settings.engine == "container"):
            raise CannotIsolateError(f"TIERCEL_ENGINE={settings.engine}: {isolation.how}. Otherwise {_INSTALL}.")
        return chosen
    return container if (await container.isolation()).isolated else process


def process_engine(settings: Settings, binary: Path | None = None, sweep_age_s: float = SWEEP_AGE_S) -> ProcessEngine:
    """The process engine over the installation's sessions. `binary`: instead of the Claude Code CLI."""
    sessions, cache = settings.home / "sessions", settings.cache_dir / "bin"
    return ProcessEngine(sessions, cache, binary or find(settings).path, sweep_age_s=sweep_age_s)


def container_engine(
    settings: Settings, binary: Path | None = None, sweep_age_s: float = SWEEP_AGE_S
) -> ContainerEngine:
    """The container engine over the installation's sessions.

    What it mounts must lie on the Docker engine's host, which the files of a worker in a container do not.
    """
    on_host = settings.session_files
    return ContainerEngine(
        settings.home / "sessions",
        installation_id(settings.home),
        settings.session_image,
        binary or (on_host / "claude" if on_host and not settings.claude_bin else find(settings).path),
        settings.docker_host,
        sweep_age_s=sweep_age_s,
        code=on_host / "code" if on_host else None,
    )


def installation_id(home: Path) -> str:
    """What tells this installation's containers from another's on the same Docker engine. Made once."""
    path = home / "installation"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = home / f"installation.{os.getpid()}"
    if not path.exists():
        scratch.write_text(str(uuid.uuid4()), encoding="utf-8")
        try:
            os.link(scratch, path)
        except FileExistsError:
            pass  # another process was faster
        finally:
            scratch.unlink()
    return path.read_text(encoding="utf-8").strip()
