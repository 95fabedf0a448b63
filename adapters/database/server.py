"""Our own Postgres: found, created, started, watched and stopped without an administrator.

It listens on a Unix socket in a private folder and nowhere else. It dies cleanly (fast shutdown) when the process that
started it is killed, and a lock that its own processes inherit keeps a second one away until the last of them is gone.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import psycopg
from psycopg import sql

from adapters.database import server_binaries, server_pidfile, server_place
from adapters.database.server_binaries import Binaries
from adapters.database.server_place import Owner, Place
from config import processes
from domain.errors import ConfigurationError, RecordUnavailableError

ROLE = "tiercel"
DATABASE = "tiercel"
SUPERUSER = "postgres"
_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "log_checkpoints": "off",
    "log_line_prefix": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_POLL_S = 0.05
T = TypeVar("T")


class PostgresServer:
    """One server for one home. Use `start` and `stop`; a supervisor uses `prepare`, `argv`, `ready` and `release`."""

    def __init__(
        self,
        home: Path,
        *,
        available: tuple[Binaries, ...] | None = None,
        options: Mapping[str, str] | None = None,
        start_timeout_s: float = 120.0,
        lock_timeout_s: float = 20.0,
    ) -> None:
        self._home = home
        self._available = available
        self._options = {**_OPTIONS, **(options or {})}
        self._start_timeout_s = start_timeout_s
        self._lock_timeout_s = lock_timeout_s
        self._lock_fd: int | None = None
        self._place: Place | None = None
        self._owner: Owner | None = None
        self._binaries: Binaries | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._database_made = False

    # ------------------------------------------------------------ what others need to know

    @property
    def place(self) -> Place:
        """Where the files lie; known after `prepare`."""
        return _known(self._place)

    @property
    def binaries(self) -> Binaries:
        """The programs in use; known after `prepare`."""
        return _known(self._binaries)

    @property
    def note(self) -> str:
        """A sentence for the owner when something is not where one would look for it."""
        return self.place.note

    @property
    def url(self) -> str:
        """DATABASE_URL for every process of this machine that may enter the socket folder."""
        return self._url(ROLE, DATABASE)

    @property
    def admin_url(self) -> str:
        """The superuser's way in, for tests and repairs."""
        return self._url(SUPERUSER, "postgres")

    @property
    def pid(self) -> int | None:
        """The postmaster, when it was started by `start` and still runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def argv(self) -> tuple[str, ...]:
        """The server's command line."""
        options = {**self._options, "unix_socket_directories": str(self.place.sockets)}
        given = (part for name, value in options.items() for part in ("-c", f"{name}={value}"))
        return (str(self.binaries.postgres), "-D", str(self.place.data), *given)

    @property
    def environment(self) -> dict[str, str]:
        """All that the server sees of ours: no PG* variable and no secret."""
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}

    @property
    def spawn_options(self) -> dict[str, Any]:
        """Keyword arguments for Popen: the user to become, and the lock that the server keeps."""
        return {"pass_fds": (_known(self._lock_fd),), "cwd": "/", **self._as_owner()}

    # ------------------------------------------------------------ life

    async def start(self) -> str:
        """Start and wait until it answers. Returns the URL. Raises ConfigurationError, RecordUnavailableError."""
        await self.prepare()
        try:
            await self._spawn()
            await self._wait_ready()
        except BaseException:
            await self.stop()
            raise
        return self.url

    async def stop(self, timeout_s: float = 30.0) -> None:
        """Fast shutdown: connections are cut, nothing committed is lost. Safe to call twice."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            for signum, patience in ((signal.SIGINT, timeout_s), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signum)
                try:
                    await asyncio.wait_for(process.wait(), patience)
                    break
                except TimeoutError:
                    continue
        self.release()

    async def destroy(self) -> None:
        """Stop and delete everything, also folders outside the home. For tests and `remove`."""
        await self.stop()
        if self._place is not None:
            await asyncio.to_thread(server_place.remove_outside, self._home)
            await asyncio.to_thread(shutil.rmtree, self._place.home, ignore_errors=True)

    async def prepare(self) -> None:
        """Everything up to the start, and again before each restart: place, lock, programs, data, stale files."""
        self._owner = server_place.owner()
        self._place = await asyncio.to_thread(server_place.find, self._home, self._owner)
        await self._take_lock()
        try:
            available = (
                self._available if self._available is not None else await asyncio.to_thread(server_binaries.installed)
            )
            chosen = server_binaries.choose(available, server_binaries.data_major(self._place.data), self._place.data)
            self._binaries = await asyncio.to_thread(server_place.reachable, chosen, self._place, self._owner)
            if server_binaries.data_major(self._place.data) is None:
                await self._create_data()
            await server_pidfile.clear(self._place.data, self._place.sockets)
        except BaseException:
            self.release()
            raise

    async def ready(self) -> bool:
        """Whether it answers `SELECT 1`; makes role and database at the first yes."""
        try:
            connection = await psycopg.AsyncConnection.connect(self.admin_url, autocommit=True, connect_timeout=5)
        except psycopg.OperationalError:
            return False
        async with connection:
            await connection.execute("SELECT 1")
            if not self._database_made:
                await _make_database(connection)
                self._database_made = True
        return True

    def release(self) -> None:
        """Give up our share of the lock. It stays taken while a process of the server lives."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    # ------------------------------------------------------------ steps

    async def _spawn(self) -> None:
        self.place.log.touch(mode=0o600)
        with self.place.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.argv,
                env=self.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=processes.die_with_parent(signal.SIGINT),
                **self.spawn_options,
            )

    async def _wait_ready(self) -> None:
        process = _known(self._process)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._start_timeout_s
        while not await self.ready():
            if process.returncode is not None:
                raise RecordUnavailableError(f"PostgreSQL ended at its start:\n{_tail(self.place.log)}")
            if loop.time() > deadline:
                raise RecordUnavailableError(
                    f"PostgreSQL does not answer after {self._start_timeout_s:.0f} s; see {self.place.log}"
                )
            await asyncio.sleep(_POLL_S)

    async def _take_lock(self) -> None:
        if self._lock_fd is not None:
            return
        fd = os.open(self.place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._lock_timeout_s
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = int(os.pread(fd, 20, 0).strip() or b"0")
                # A dead starter means that its server is shutting down right now; a live one means to keep it.
                if loop.time() > deadline or (holder and processes.arguments(holder)):
                    os.close(fd)
                    who = processes.describe(holder) if holder else "another process"
                    raise ConfigurationError(
                        f"{self.place.home} is in use by {who}; stop that first, or set TIERCEL_HOME to another folder"
                    ) from None
            await asyncio.sleep(_POLL_S)
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        self._lock_fd = fd

    async def _create_data(self) -> None:
        """Into a folder beside it and renamed: a half-made data directory must never look like one."""
        fresh = self.place.base / "data.new"
        await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)
        server_place.own_folder(fresh, _known(self._owner))
        process = await asyncio.create_subprocess_exec(
            *(str(self.binaries.initdb), "-D", str(fresh), "-A", "trust", "-U", SUPERUSER, "--no-locale", "-E", "utf8"),
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=processes.die_with_parent(signal.SIGTERM),
            **self.spawn_options,
        )
        output, _ = await process.communicate()
        if process.returncode != 0:
            said = output.decode(errors="replace").strip().splitlines()[-5:]
            raise ConfigurationError(f"initdb could not create {self.place.data}: {' / '.join(said)}")
        if self.place.data.exists():
            self.place.data.rmdir()
        fresh.rename(self.place.data)

    def _as_owner(self) -> dict[str, Any]:
        who = _known(self._owner)
        return {"user": who.uid, "group": who.gid, "extra_groups": []} if who.drop else {}

    def _url(self, role: str, database: str) -> str:
        return f"postgresql://{role}@/{database}?host={quote(str(self.place.sockets), safe='')}&port=5432"


async def _make_database(connection: psycopg.AsyncConnection[Any]) -> None:
    role, database = sql.Identifier(ROLE), sql.Identifier(DATABASE)
    cursor = await connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (ROLE,))
    if await cursor.fetchone() is None:
        await connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(role))
    cursor = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
    if await cursor.fetchone() is None:
        await connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))


def _known(value: T | None) -> T:
    if value is None:
        raise RuntimeError("call prepare() first")
    return value


def _tail(path: Path, lines: int = 8) -> str:
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
