"""Recreates one service of a compose project with Docker's own compose plugin, and only what its owner already ran.

A compose file of a mounted repository can ask for anything, the host's root included. So a definition is applied only
where it is, by compose's own hash, the one that the owner's running container was made from. For a container that is
gone there is no hash to compare with; then the definition must ask for nothing that reaches out of a container.
"""

import asyncio
import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

from adapters.actions.container_client import NotReachedError, RefusedError
from domain.errors import UnknownOutcomeError
from domain.inventory import ComposeRef

QUESTION_S = 30.0
UP_S = 240.0
_HASH_LABEL = "com.docker.compose.config-hash"
_PROJECT_LABEL = "com.docker.compose.project"
_FORBIDDEN = (
    "privileged", "cap_add", "devices", "device_cgroup_rules", "security_opt", "pid", "ipc", "userns_mode", "uts",
    "cgroup", "cgroup_parent", "runtime", "volumes_from", "build", "post_start", "pre_stop", "gpus", "sysctls",
)  # fmt: skip


class Compose:
    """The plugin of the `docker` program; `binary` is for tests."""

    def __init__(self, docker_host: str = "", binary: str = "docker") -> None:
        self._docker_host = docker_host
        self._binary = binary
        self._available: bool | None = None

    async def available(self) -> bool:
        """Whether the plugin is installed here."""
        if self._available is None:
            try:
                code, _ = await self._run(("version",), QUESTION_S, None)
            except (NotReachedError, UnknownOutcomeError):
                code = 1
            self._available = code == 0
        return self._available

    async def why_not(self, ref: ComposeRef, found: dict[str, Any] | None) -> str:
        """Why the service may not be recreated; empty where it may."""
        if not Path(ref.file).is_file():
            return f"the compose file {ref.file} is gone"
        if found is None:
            return await self._why_not_new(ref)
        config: dict[str, Any] = found.get("Config") or {}
        labels: dict[str, str] = config.get("Labels") or {}
        if labels.get(_PROJECT_LABEL) != ref.project:
            return f"the container was not made by the compose project {ref.project}; recreate it by hand once"
        code, output = await self._run((*_file(ref), "config", "--hash", ref.service), QUESTION_S, ref)
        if code != 0:
            return f"compose cannot read its definition: {output[-300:].strip()}"
        if output.split()[-1:] != [labels.get(_HASH_LABEL, "-")]:
            return (
                "its definition is not the one that the container was made from; run `docker compose up` yourself once"
            )
        return ""

    async def up(self, ref: ComposeRef, *, force: bool) -> str:
        """Create (and with `force` replace) the service and what shares its network. Raises UnknownOutcomeError."""
        services = [ref.service, *await self._network_sharers(ref)]
        flags = ("--force-recreate",) if force else ()
        argv = (*_file(ref), "up", "--detach", "--no-deps", "--no-build", *flags, *services)
        code, output = await self._run(argv, UP_S, ref)
        if code != 0:
            raise RefusedError(f"compose up ended with exit code {code}: {output[-500:].strip()}")
        return f"compose up of {', '.join(services)}"

    async def _why_not_new(self, ref: ComposeRef) -> str:
        definition = (await self._definition(ref)).get(ref.service)
        if not isinstance(definition, dict):
            return f"the compose file declares no service {ref.service}"
        fields: dict[str, Any] = definition  # pyright: ignore[reportUnknownVariableType]
        asked = [name for name in _FORBIDDEN if fields.get(name)]
        if str(fields.get("network_mode", "")) == "host":
            asked.append("network_mode: host")
        volumes: list[dict[str, Any]] = fields.get("volumes") or []
        asked += [f"the host's {v.get('source')}" for v in volumes if v.get("type") != "volume"]
        if asked:
            return f"the container is gone, and its definition asks for {', '.join(asked)}; create it by hand"
        return ""

    async def _network_sharers(self, ref: ComposeRef) -> list[str]:
        """They lose their network when the container that owns it is replaced."""
        wanted = f"service:{ref.service}"
        definition = await self._definition(ref)
        return sorted(n for n, d in definition.items() if isinstance(d, dict) and d.get("network_mode") == wanted)  # pyright: ignore[reportUnknownMemberType]

    async def _definition(self, ref: ComposeRef) -> dict[str, Any]:
        code, output = await self._run((*_file(ref), "config", "--format", "json"), QUESTION_S, ref)
        if code != 0:
            raise RefusedError(f"compose cannot read its definition: {output[-300:].strip()}")
        try:
            services: dict[str, Any] = json.loads(output[output.index("{") :])["services"]
        except (ValueError, KeyError) as e:
            raise RefusedError("compose gives a definition that cannot be read") from e
        return services

    async def _run(self, argv: tuple[str, ...], limit_s: float, ref: ComposeRef | None) -> tuple[int, str]:
        env = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG", "DOCKER_CONFIG"}}
        if self._docker_host:
            env["DOCKER_HOST"] = self._docker_host
        try:
            process = await asyncio.create_subprocess_exec(
                self._binary,
                "compose",
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=Path(ref.file).parent if ref else "/",
                env=env,
                start_new_session=True,
            )
        except OSError as e:
            raise NotReachedError(f"docker cannot be started ({e.strerror}); install Docker's client") from e
        try:
            async with asyncio.timeout(limit_s):
                output, _ = await process.communicate()
        except TimeoutError as e:
            raise UnknownOutcomeError(f"compose did not end within {limit_s:.0f} s") from e
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return process.returncode or 0, output.decode("utf-8", "replace")


def _file(ref: ComposeRef) -> tuple[str, ...]:
    return ("--project-name", ref.project, "--file", ref.file)
