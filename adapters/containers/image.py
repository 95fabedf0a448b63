"""The session image: built from `deploy/session` by the classic builder, again only where its inputs changed."""

import asyncio
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docker.errors import APIError, BuildError, ImageNotFound

from adapters.containers.docker_host import DockerHost
from config.settings import Settings
from domain.errors import ConfigurationError

BASE = "debian:bookworm-slim"
LABEL_INPUTS = "tiercel.inputs"
FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "session"

Progress = Callable[[str], None]


def inputs_digest() -> str:
    """Changes when the image would."""
    text = b"\0".join((FOLDER / name).read_bytes() for name in ("Dockerfile", "base.sh"))
    return hashlib.sha256(text).hexdigest()


async def build(settings: Settings, progress: Progress) -> str:
    """Make sure that the session image is there and current. Returns its id.

    Raises ConfigurationError with what went wrong, TransientError where no engine answers.
    """
    docker_host = DockerHost(settings.docker_host)
    digest = await asyncio.to_thread(inputs_digest)
    image = await _image(docker_host, settings.session_image)
    if image is not None and image.labels.get(LABEL_INPUTS) == digest:
        progress(f"{settings.session_image} is current")
        return str(image.id)
    if await _image(docker_host, BASE) is None:
        await _make_base(settings, progress)
    progress(f"building {settings.session_image}")
    try:
        image, _ = await docker_host.call(
            lambda: docker_host.client().images.build(
                path=str(FOLDER), tag=settings.session_image, labels={LABEL_INPUTS: digest}, rm=True, forcerm=True
            )
        )
    except BuildError as e:
        lines = [str(entry["stream"]).strip() for entry in e.build_log if entry.get("stream", "").strip()]
        raise ConfigurationError(f"The session image could not be built: {e.msg}\n" + "\n".join(lines[-5:])) from e
    except APIError as e:
        raise ConfigurationError(f"The Docker engine refused to build the session image: {e.explanation or e}") from e
    progress(f"built {settings.session_image}")
    return str(image.id)


async def _image(docker_host: DockerHost, name: str) -> Any | None:
    try:
        return await docker_host.call(lambda: docker_host.client().images.get(name))
    except ImageNotFound:
        return None


async def _make_base(settings: Settings, progress: Progress) -> None:
    env = {**os.environ, "CACHE": str(settings.cache_dir)}
    if settings.docker_host:
        env["DOCKER_HOST"] = settings.docker_host
    try:
        process = await asyncio.create_subprocess_exec(
            "sh", str(FOLDER / "base.sh"), env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
    except OSError as e:
        raise ConfigurationError(
            f"{BASE} is missing and cannot be made here ({e}); load it yourself with `docker load`"
        ) from e
    last = ""
    assert process.stdout is not None  # noqa: S101  asked for above
    async for line in process.stdout:
        last = line.decode(errors="replace").strip()
        progress(last)
    if await process.wait() != 0:
        raise ConfigurationError(f"{BASE} is missing and could not be made: {last}")
