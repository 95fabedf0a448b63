"""A real Postgres for tests, started as the product starts its own, gone with this process."""

import asyncio
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from adapters.database.server import PostgresServer
from adapters.database.server_binaries import installed
from config import processes

TEMPLATE = "tiercel_template"
_OPTIONS = {
    "fsync": "off",  # nothing here must survive a power cut; a crash of the process is survived all the same
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
}


def pg_dump() -> Path:
    """The newest pg_dump here, which can read every older server."""
    return max((b for b in installed() if (b.folder / "pg_dump").exists()), key=lambda b: b.major).folder / "pg_dump"


def database_of(url: str) -> str:
    """The database's name in an address."""
    return str(conninfo_to_dict(url)["dbname"])


class TestServer:
    """One server on a Unix socket in a folder of its own, or in the one given. Databases are copies of a template."""

    __test__ = False

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = str(folder) if folder else tempfile.mkdtemp(prefix="tiercel-pg-")
        self._server = PostgresServer(Path(self._folder), options=_OPTIONS)
        self._numbers = count(1)
        self._process: subprocess.Popen[Any] | None = None

    @property
    def pid(self) -> int:
        """The postmaster's."""
        assert self._process is not None
        return self._process.pid

    def url(self, database: str = "postgres") -> str:
        """The address of one of its databases, as superuser."""
        return f"postgresql://postgres@/{database}?host={quote(str(self._server.place.sockets), safe='')}"

    def start(self) -> None:
        """Create the cluster where there is none, start it, wait until it answers."""
        _elsewhere(self._server.prepare())
        # From this thread, not from the one above: the death signal belongs to the thread that starts the process.
        self._process = subprocess.Popen(
            self._server.argv,
            env=self._server.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=processes.die_with_parent(signal.SIGINT),  # noqa: PLW1509 - one system call
            **self._server.spawn_options,
        )
        self._wait()

    def stop(self, *, keep: bool = False) -> None:
        """Fast shutdown; `keep` leaves the data for another `start`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(20)
            self._process = None
        self._server.release()
        if not keep:
            _elsewhere(self._server.destroy())
            shutil.rmtree(self._folder, ignore_errors=True)

    def create(self, template: str = "template0", name: str = "") -> str:
        """A new database; its address."""
        name = name or f"t{next(self._numbers)}"
        with psycopg.connect(self.url(), autocommit=True) as conn:
            strategy = " STRATEGY FILE_COPY" if conn.info.server_version >= 150000 else ""
            conn.execute(f"CREATE DATABASE {name} TEMPLATE {template}{strategy}".encode())
        return self.url(name)

    def make_template(self, fill: Callable[[str], object]) -> None:
        """Let `fill` prepare the database that `create(TEMPLATE)` copies."""
        with psycopg.connect(self.url(), autocommit=True) as conn:
            conn.execute(f"DROP DATABASE IF EXISTS {TEMPLATE}".encode())
            conn.execute(f"CREATE DATABASE {TEMPLATE}".encode())
        fill(self.url(TEMPLATE))

    def drop(self, url: str) -> None:
        """Remove a database whoever is still connected."""
        with psycopg.connect(self.url(), autocommit=True) as conn:
            conn.execute(f"DROP DATABASE IF EXISTS {database_of(url)} WITH (FORCE)".encode())

    def _wait(self) -> None:
        assert self._process is not None
        give_up = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > give_up:
                    raise
                time.sleep(0.02)
            else:
                return


def _elsewhere(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` in a loop of its own, also where the caller is inside one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()
