"""Servers that are built from source with Go, once per machine. The recipes are `deploy/<name>/build.sh`."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from time import monotonic

from domain.base import Value
from domain.errors import ConfigurationError

Progress = Callable[[str], None]

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
GO_FOLDER = Path("/usr/local/go/bin")  # where Go's own archive puts it, often not on PATH
TELL_EVERY_S = 5.0
LOOK_EVERY_S = 0.5


class Recipe(Value):
    """One program that can be built. Its file name carries the version, so that an upgrade never meets an old file."""

    title: str
    folder: str
    file: str
    minutes: int


TEMPORAL = Recipe(title="Temporal CLI 1.8.2", folder="temporal", file="temporal-1.8.2", minutes=4)
PLAIN_SERVER = Recipe(title="Temporal server 1.32.0", folder="temporal-plain", file="temporal-server-1.32.0", minutes=4)
JAEGER = Recipe(title="Jaeger 1.76.0", folder="jaeger", file="jaeger-1.76.0", minutes=3)


async def build(recipe: Recipe, cache_dir: Path, progress: Progress) -> Path:
    """The built program, from the cache or built now.

    Any number of processes may ask at the same time: one builds, the others wait for it.
    Raises ConfigurationError with the reason where it cannot be built here.
    """
    target = cache_dir / "bin" / recipe.file
    if usable(target):
        return target
    environment = _environment_with_go(os.environ)
    async with claim(target, progress):
        if not usable(target):
            progress(f"building {recipe.title} from source, about {recipe.minutes} minutes, once per machine")
            await _run(recipe, target, environment, progress)
    return target


def usable(file: Path) -> bool:
    """A program that can be started."""
    return file.is_file() and os.access(file, os.X_OK)


@contextlib.asynccontextmanager
async def claim(target: Path, progress: Progress) -> AsyncGenerator[None]:
    """Be the only process that makes `target`. The kernel gives the claim back when its holder dies."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f".{target.name}.lock").open("w") as lock:
        told = False
        while not _locked(lock.fileno()):
            if not told:
                progress(f"another process is making {target.name}; waiting for it")
                told = True
            await asyncio.sleep(LOOK_EVERY_S)
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _environment_with_go(environment: Mapping[str, str]) -> dict[str, str]:
    path = environment.get("PATH", "")
    if shutil.which("go", path=path):
        return dict(environment)
    if shutil.which("go", path=str(GO_FOLDER)):
        return {**environment, "PATH": f"{path}:{GO_FOLDER}"}
    raise ConfigurationError("Go is not installed (1.26 or newer; one from 1.21 on fetches a newer one by itself)")


async def _run(recipe: Recipe, target: Path, environment: dict[str, str], progress: Progress) -> None:
    script = DEPLOY / recipe.folder / "build.sh"
    if not script.is_file():
        raise ConfigurationError(f"{script} is missing; build from a complete checkout")
    process = await asyncio.create_subprocess_exec(
        "nice", "-n", "15", "sh", str(script), str(target),
        env=environment, start_new_session=True,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        tail = await _follow(process, recipe.title, progress)
        status = await process.wait()
    except BaseException:  # cancelled, or the reader failed: the compiler must not go on without us
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    if status != 0:
        raise ConfigurationError(f"the build of {recipe.title} failed:\n" + "\n".join(f"      {line}" for line in tail))


async def _follow(process: asyncio.subprocess.Process, title: str, progress: Progress) -> deque[str]:
    """Count what the compiler reports, tell it every few seconds, keep the end for an error message."""
    if process.stderr is None:
        raise ConfigurationError("the build has no output to follow")
    tail: deque[str] = deque(maxlen=12)
    started = told = monotonic()
    fetched = compiled = 0
    async for raw in process.stderr:
        line = raw.decode(errors="replace").rstrip()
        tail.append(line)
        if line.startswith("go: downloading"):
            fetched += 1
        else:
            compiled += 1
        if monotonic() - told >= TELL_EVERY_S:
            told = monotonic()
            seconds = int(told - started)
            progress(f"building {title}: {fetched} modules fetched, {compiled} packages compiled, {seconds} s")
    return tail


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


async def _main(names: list[str]) -> int:
    """`python -m adapters.engine.build [NAME...]`: build what tests and CI need, into the cache."""
    from config.settings import load

    recipes = {r.folder: r for r in (TEMPORAL, PLAIN_SERVER, JAEGER)}
    if unknown := [n for n in names if n not in recipes]:
        sys.stderr.write(f"no such recipe: {', '.join(unknown)}; there are {', '.join(recipes)}\n")
        return 2
    for name in names or recipes:
        try:
            path = await build(recipes[name], load().cache_dir, _tell)
        except ConfigurationError as e:
            sys.stderr.write(f"{e}\n")
            return 1
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(sys.argv[1:])))
