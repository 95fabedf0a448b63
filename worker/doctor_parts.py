"""The parts that we start or use: Claude Code CLI, isolation, Temporal, Postgres. Each is really tried."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import psycopg

from adapters.containers import image
from adapters.containers.choice import container_engine, process_engine
from adapters.containers.docker_host import DockerHost
from adapters.database import server_binaries, server_place
from adapters.engine import server as engine
from config import claude_cli
from config.settings import Settings
from domain.errors import ConfigurationError
from domain.ports import Isolation
from worker.doctor_finding import Finding, fail, ok, warn
from worker.supervisor_probes import TemporalProbe

_OLDEST_SERVER = 140_000


async def claude(settings: Settings) -> Sequence[Finding]:
    try:
        found = await asyncio.to_thread(claude_cli.find, settings)
    except ConfigurationError as e:
        return [fail("claude cli", *_halves(str(e), "./dev setup"))]
    said = await _version(found.path)
    if not said:
        return [
            fail(
                "claude cli",
                f"{found.path} does not start",
                "run it with --version to see why, or set TIERCEL_CLAUDE_BIN",
            )
        ]
    text = f"{said} ({found.source}: {found.path})"
    if not said.startswith(claude_cli.LOCKED_VERSION):
        fix = f"unset TIERCEL_CLAUDE_BIN to use {claude_cli.LOCKED_VERSION}, which all tests were run with"
        return [warn("claude cli", f"{text}: another version than the tested one", fix)]
    return [ok("claude cli", text)]


async def isolation(settings: Settings) -> Sequence[Finding]:
    """Both engines are tried for real. One is enough."""
    process, container = await asyncio.gather(_process(settings), _container(settings))
    wanted = {"process": [process], "container": [container]}.get(settings.engine, [container, process])
    able = [answer for answer in wanted if answer.isolated]
    others = [ok(answer.engine, answer.how) for answer in (process, container) if answer.isolated]
    if able:
        idle = [a for a in (process, container) if not a.isolated]
        return [*others, *(ok(a.engine, f"{a.how} (not needed: {able[0].engine} isolates)") for a in idle)]
    fix = "apt install bubblewrap, or start a Docker engine and run `tiercel image build`"
    if settings.engine != "auto":
        fix = f"{fix}; or unset TIERCEL_ENGINE"
    level = warn if settings.scripted else fail
    how = "; ".join(f"{answer.engine}: {answer.how}" for answer in wanted)
    return [*others, level("isolation", f"sessions cannot be walled in, so tiers 2 and 3 refuse to start ({how})", fix)]


async def session_image(settings: Settings) -> Sequence[Finding]:
    """Only where a Docker engine answers and sessions may run in it."""
    if settings.engine == "process":
        return []
    name = settings.session_image
    match await image.state(DockerHost(settings.docker_host), name):
        case "missing":
            return [warn("session image", f"{name} is not built yet", "tiercel image build")]
        case "older":
            return [
                warn("session image", f"{name} was built from other files than this version's", "tiercel image build")
            ]
        case "built elsewhere":
            return [ok("session image", f"{name} was not built by `tiercel image build`: its age cannot be told")]
        case "up to date":
            return [ok("session image", f"{name} is up to date")]
        case "no engine":
            return []


async def temporal(settings: Settings) -> Sequence[Finding]:
    if settings.temporal_address:
        if await TemporalProbe(settings).answers():
            return [ok("temporal", f"{settings.temporal_address} answers")]
        return [
            fail(
                "temporal",
                f"{settings.temporal_address} does not answer",
                "start it, correct TEMPORAL_ADDRESS, or unset it to use our own",
            )
        ]
    return [await _own_temporal(settings)]


async def postgres(settings: Settings) -> Sequence[Finding]:
    if settings.database_url is not None:
        return [await _given_postgres(settings.database_url.get_secret_value())]
    data = (await asyncio.to_thread(server_place.base_of, settings.home)) / "data"
    try:
        available = await asyncio.to_thread(server_binaries.installed)
        major = server_binaries.data_major(data)
        chosen = server_binaries.choose(available, major, data)
    except ConfigurationError as e:
        return [fail("postgres", *_halves(str(e), "set DATABASE_URL"))]
    except PermissionError:
        return [
            fail("postgres", f"{data} cannot be read", "run as the user who runs `tiercel up`, or set TIERCEL_HOME")
        ]
    where = f"data of {major} in {data}" if major else f"data will be made in {data}"
    return [ok("postgres", f"our own: {chosen}; {where}")]


async def _own_temporal(settings: Settings) -> Finding:
    """What a start would take without fetching or building anything."""
    said: list[str] = []
    ways: dict[str, Callable[[], Awaitable[Path]]] = {
        "path": lambda: engine.on_path(said.append),
        "wheel": engine.from_wheel,
        "cache": lambda: engine.cached(settings.cache_dir),
    }
    source = settings.temporal_source
    chosen = {"auto": tuple(ways), "path": ("path",), "wheel": ("wheel",)}.get(source, ("cache",))
    for name in chosen:
        try:
            path = await ways[name]()
        except ConfigurationError as e:
            said.append(str(e))
        else:
            version = ".".join(map(str, await engine.version_of(path)))
            return ok("temporal", f"our own, {version} ({name}: {path})")
    if source == "path":
        return fail("temporal", "; ".join(said), "install the Temporal CLI, or unset TIERCEL_TEMPORAL_SOURCE")
    if source == "wheel":
        return fail("temporal", "; ".join(said), "./dev setup, or unset TIERCEL_TEMPORAL_SOURCE")
    go = "Go is here" if shutil.which("go") or Path("/usr/local/go/bin/go").exists() else "Go is not here"
    cause = f"not here yet: the first `tiercel up` downloads it, or builds it in about 4 minutes ({go})"
    return warn("temporal", cause, "./dev setup, install the `temporal` CLI, or set TEMPORAL_ADDRESS")


async def _given_postgres(url: str) -> Finding:
    try:
        async with (
            asyncio.timeout(10),
            await psycopg.AsyncConnection.connect(url, autocommit=True) as connection,
        ):
            version = connection.info.server_version
    except (psycopg.Error, TimeoutError) as e:
        # libpq's text names host and user, never the password; only its first line says something.
        reason = str(e).strip().splitlines()[0] if str(e).strip() else "no answer"
        return fail("postgres", f"DATABASE_URL: {reason}", "start it, correct DATABASE_URL, or unset it to use our own")
    shown = f"{version // 10_000}.{version % 10_000}"
    if version < _OLDEST_SERVER:
        return fail(
            "postgres",
            f"DATABASE_URL: PostgreSQL {shown} is too old",
            "use PostgreSQL 14 or newer, or unset DATABASE_URL",
        )
    return ok("postgres", f"DATABASE_URL: PostgreSQL {shown} answers")


async def _process(settings: Settings) -> Isolation:
    return await process_engine(settings, Path("/bin/sh")).isolation()


async def _container(settings: Settings) -> Isolation:
    # Only asked, never started; a look must not leave the installation's id file in a home that does not exist yet.
    with tempfile.TemporaryDirectory() as scratch:
        return await container_engine(settings.model_copy(update={"home": Path(scratch)}), Path("/bin/sh")).isolation()


async def _version(binary: Path) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        process = await asyncio.create_subprocess_exec(
            str(binary),
            "--version",
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": scratch, "CLAUDE_CONFIG_DIR": scratch},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), 30)
        except TimeoutError:
            process.kill()
            await process.wait()
            return ""
    return output.decode(errors="replace").strip() if process.returncode == 0 else ""


def _halves(line: str, otherwise: str) -> tuple[str, str]:
    cause, _, fix = line.partition("; ")
    return cause, fix or otherwise


CHECKS = (claude, isolation, session_image, temporal, postgres)
