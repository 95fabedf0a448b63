"""postgres, redis and nginx for real."""

import asyncio
import contextlib
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from domain.health import HttpProbe, PostgresProbe, ProbeStatus, RedisProbe, TcpProbe
from tests.adapters.probes.conftest import MakeRunner, answering, http_answer, service, silent, tcp_server

needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
needs_nginx = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")


async def free_port() -> int:
    async with tcp_server(silent) as port:
        return port


async def until_open(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"nothing listens on {port}")


def start(argv: tuple[str, ...]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


@contextlib.asynccontextmanager
async def program(*argv: str, port: int) -> AsyncIterator[subprocess.Popen[bytes]]:
    process = start(argv)
    try:
        await until_open(port)
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(10)


@contextlib.asynccontextmanager
async def redis(folder: Path, *extra: str) -> AsyncIterator[tuple[int, subprocess.Popen[bytes]]]:
    port = await free_port()
    argv = ("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", *extra)
    async with program(*argv, port=port) as process:
        yield port, process


def of_url(url: str) -> dict[str, str]:
    parts = conninfo_to_dict(url)
    return {"host": str(parts["host"]), "database": str(parts["dbname"]), "user": str(parts["user"])}


@pytest.mark.postgres
async def test_postgres_gives_its_identity_and_notices_another_cluster(make_runner: MakeRunner, postgres_url: str):
    where = of_url(postgres_url)
    (result,) = await make_runner().probe(service(PostgresProbe(**where)))  # pyright: ignore[reportArgumentType]
    assert result.status == ProbeStatus.OK, result
    assert result.identity.isdigit()
    same, other = (PostgresProbe(identity=i, **where) for i in (result.identity, "7000000000000000001"))  # pyright: ignore[reportArgumentType]
    results = await make_runner().probe(service(same, other))
    assert [r.status for r in results] == [ProbeStatus.OK, ProbeStatus.FAIL]
    assert "another database cluster" in results[1].summary


@pytest.mark.postgres
async def test_postgres_warns_when_connections_run_short(make_runner: MakeRunner, postgres_url: str):
    probe = PostgresProbe(max_connections_share=0.001, **of_url(postgres_url))  # pyright: ignore[reportArgumentType]
    async with await psycopg.AsyncConnection.connect(postgres_url):
        (result,) = await make_runner().probe(service(probe))
    assert result.status == ProbeStatus.WARN


async def test_postgres_fails_when_closed_hung_or_something_else(make_runner: MakeRunner):
    closed = await free_port()
    async with tcp_server(silent) as hung, tcp_server(answering(http_answer("x"))) as web:
        probes = [PostgresProbe(host="127.0.0.1", port=p, timeout_s=1) for p in (closed, hung, web)]
        results = await make_runner().probe(service(*probes))
    assert [r.status for r in results] == [ProbeStatus.FAIL] * 3
    assert "no session" in results[0].summary


async def test_a_probe_password_goes_only_where_its_owner_allows(make_runner: MakeRunner):
    probes = [
        PostgresProbe(host="db.evil.test", password_env="TIERCEL_PROBE_DB"),
        PostgresProbe(host="127.0.0.1", password_env="ANTHROPIC_API_KEY"),
        RedisProbe(host="127.0.0.1", password_env="TIERCEL_PROBE_UNSET"),
    ]
    runner = make_runner(environ={"TIERCEL_PROBE_DB": "pw", "ANTHROPIC_API_KEY": "key"})
    results = await runner.probe(service(*probes))
    assert [r.status for r in results] == [ProbeStatus.ERROR] * 3
    assert "TIERCEL_PROBE_DB_HOST=db.evil.test" in results[0].summary
    assert "must begin with TIERCEL_PROBE_" in results[1].summary
    assert "is not set" in results[2].summary


@needs_redis
async def test_redis_answers_with_its_identity_and_password(make_runner: MakeRunner, tmp_path: Path):
    async with redis(tmp_path, "--requirepass", "pw") as (port, _):
        runner = make_runner(environ={"TIERCEL_PROBE_REDIS": "pw"})
        (result,) = await runner.probe(
            service(RedisProbe(host="127.0.0.1", port=port, password_env="TIERCEL_PROBE_REDIS"))
        )
        assert result.status == ProbeStatus.OK, result
        assert len(result.identity) == 40
        assert "pw" not in result.evidence.split()
        bare = RedisProbe(host="127.0.0.1", port=port)
        other = RedisProbe(host="127.0.0.1", port=port, password_env="TIERCEL_PROBE_REDIS", identity="f" * 40)
        results = await runner.probe(service(bare, other))
    assert [r.status for r in results] == [ProbeStatus.FAIL, ProbeStatus.FAIL]
    assert "NOAUTH" in results[0].summary
    assert "another redis" in results[1].summary


@needs_redis
async def test_redis_that_refuses_writes_fails_although_it_answers(make_runner: MakeRunner, tmp_path: Path):
    async with redis(tmp_path, "--maxmemory", "100kb", "--maxmemory-policy", "noeviction") as (port, _):
        (full,) = await make_runner().probe(service(RedisProbe(host="127.0.0.1", port=port)))
    assert full.status == ProbeStatus.FAIL
    assert "writes are refused: OOM" in full.summary


@needs_redis
async def test_a_stopped_redis_fails_while_its_port_is_open(make_runner: MakeRunner, tmp_path: Path):
    async with redis(tmp_path) as (port, process):
        process.send_signal(signal.SIGSTOP)
        probes = (RedisProbe(host="127.0.0.1", port=port, timeout_s=0.4), TcpProbe(host="127.0.0.1", port=port))
        results = await make_runner().probe(service(*probes))
    assert [r.status for r in results] == [ProbeStatus.FAIL, ProbeStatus.OK]


@needs_nginx
async def test_nginx_is_healthy_then_hung_then_gone(make_runner: MakeRunner, tmp_path: Path):
    port = await free_port()
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; master_process off; error_log stderr; pid {tmp_path}/nginx.pid; events {{}}\n"
        f"http {{ access_log off; server {{ listen 127.0.0.1:{port}; location / {{ return 200 shop; }} }} }}\n"
    )
    target = service(HttpProbe(url=f"http://127.0.0.1:{port}/", contains="shop", timeout_s=0.5))
    runner = make_runner()
    async with program("nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), port=port) as process:
        (healthy,) = await runner.probe(target)
        process.send_signal(signal.SIGSTOP)
        (hung,) = await runner.probe(target)
    (gone,) = await runner.probe(target)
    assert [r.status for r in (healthy, hung, gone)] == [ProbeStatus.OK, ProbeStatus.FAIL, ProbeStatus.FAIL]
    assert "hung" in hung.summary
    assert "no connection" in gone.summary
