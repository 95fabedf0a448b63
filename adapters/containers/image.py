"""The session image: built from `deploy/session` by the classic builder, again only where its inputs changed."""

import asyncio
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from docker.errors import APIError, ImageNotFound

from adapters.containers.docker_host import DockerHost
from config.settings import Settings
from domain.errors import ConfigurationError, TransientError

BASE = "debian:bookworm-slim"
LABEL_INPUTS = "tiercel.inputs"
FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "session"

Progress = Callable[[str], None]
State = Literal["no engine", "missing", "older", "built elsewhere", "up to date"]

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NOISE = (
    "(Reading database",
    "--->",
    "Selecting previously",
    "Preparing to unpack",
    "Get:",
    "debconf:",
    "update-alternatives:",
)
_LAST_LINES = 5


def inputs_digest() -> str:
    """Changes when the image would: over names and contents of all files that it is made from."""
    digest = hashlib.sha256()
    for path in sorted(p for p in FOLDER.rglob("*") if p.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(FOLDER).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


async def state(docker_host: DockerHost, name: str) -> State:
    """Whether the image `name` is the session image of this version. Builds and changes nothing."""
    return (await look(docker_host, name))[0]


async def look(docker_host: DockerHost, name: str) -> tuple[State, str]:
    """As `state`, with the image's id; "" where there is none."""
    try:
        image = await _image(docker_host, name)
    except TransientError:
        return "no engine", ""
    if image is None:
        return "missing", ""
    built_from = image.labels.get(LABEL_INPUTS, "")
    if not built_from:
        return "built elsewhere", str(image.id)
    return ("up to date" if built_from == await asyncio.to_thread(inputs_digest) else "older"), str(image.id)


async def build(settings: Settings, progress: Progress) -> str:
    """Make sure that the session image is there and up to date. Returns its id. `progress`: one line at a time.

    Raises ConfigurationError with what went wrong, TransientError where no engine answers.
    """
    docker_host = DockerHost(settings.docker_host)
    digest = await asyncio.to_thread(inputs_digest)
    image = await _image(docker_host, settings.session_image)
    if image is not None and image.labels.get(LABEL_INPUTS) == digest:
        progress(f"{settings.session_image} is up to date")
        return str(image.id)
    if await _image(docker_host, BASE) is None:
        await _make_base(settings, progress)
    progress(f"building {settings.session_image}")
    loop = asyncio.get_running_loop()

    def tell(line: str) -> None:
        loop.call_soon_threadsafe(progress, line)

    try:
        await docker_host.call(_build, docker_host, settings.session_image, digest, tell)
        image = await docker_host.call(lambda: docker_host.client().images.get(settings.session_image))
    except APIError as e:
        raise ConfigurationError(f"The Docker engine refused to build the session image: {e.explanation or e}") from e
    progress(f"built {settings.session_image}")
    return str(image.id)


def _build(docker_host: DockerHost, tag: str, digest: str, progress: Progress) -> None:
    """Blocking. Raises ConfigurationError with the last lines of a build that failed."""
    said: list[str] = []
    answers = docker_host.client().api.build(
        path=str(FOLDER), tag=tag, labels={LABEL_INPUTS: digest}, rm=True, forcerm=True, decode=True
    )
    for answer in answers:
        for line in _lines(str(answer.get("stream") or answer.get("status") or "")):
            progress(line)
            said.append(line)
        if answer.get("error"):
            last = "\n".join(said[-_LAST_LINES:])
            raise ConfigurationError(f"The session image could not be built: {answer['error']}\n{last}")


def _lines(text: str) -> Iterator[str]:
    """What is worth reading of one piece of a builder's output."""
    for line in re.split(r"[\r\n]+", _COLOUR.sub("", text)):
        if line.strip() and not line.lstrip().startswith(_NOISE):
            yield line.strip()


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
