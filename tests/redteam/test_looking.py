"""A hostile session tries the Docker API and the tools of its door (looking_attack.py), from inside a real wall, next
to a real engine, a real database and real servers. Held is what had no effect out there.

`pytest tests/redteam/test_looking.py -s` prints the table.
"""

import json
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import psycopg
import pytest
from aiohttp import web
from psycopg.conninfo import conninfo_to_dict

from config.settings import Settings
from domain.health import HttpProbe, PostgresProbe
from domain.ids import SessionId, service_id
from domain.inventory import ComposeRef, Inventory, Service, ServiceKind
from domain.ports import Launch, SessionFolder
from gateway.docker_engine import DockerEngine
from gateway.docker_window import DockerWindow
from policy.redaction import redactor
from tests.adapters.containers.conftest import BOTH, ENV, Bench, Make, bench, docker_engine, make
from tests.gateway.conftest import shop
from tests.gateway.test_looking_web import site
from tests.support import gateway
from tests.support.looking import SECRET, Names, looking_room, looks
from tests.support.postgres import TestServer
from tests.support.talkers import DB_PASSWORD, FLAG_SECRET, STRANGER_SECRET, Talkers

__all__ = [
    "BOTH",
    "Make",
    "bench",
    "docker_engine",
    "make",
    "shop",
]  # the fixtures of both engines, and what is looked at

pytestmark = [pytest.mark.slow, pytest.mark.docker, pytest.mark.postgres]
ATTACK = Path(__file__).with_name("looking_attack.py")
LEAST_WAYS = 60
HIDDEN = "hidden-row-of-the-owner"
NEIGHBOUR = "neighbour-marker-value"
ELSEWHERE = "body-of-another-server"
COPIED = Path("/tmp/tiercel-redteam")


@pytest.fixture(name="database", scope="module")
def _database(postgres_server: TestServer) -> Iterator[str]:
    url = postgres_server.create()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            b"CREATE ROLE look_redteam LOGIN; CREATE TABLE orders (id int); INSERT INTO orders VALUES (1);"
        )
        connection.execute(f"CREATE TABLE hidden (secret text); INSERT INTO hidden VALUES ('{HIDDEN}')".encode())
        connection.execute(b"GRANT SELECT ON orders TO look_redteam")
    yield url
    postgres_server.drop(url)
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute(b"DROP ROLE look_redteam")


def _services(shop: Talkers, database: str, port: int, repos: Path) -> tuple[Service, ...]:
    parts = conninfo_to_dict(database)
    reader = PostgresProbe(host=str(parts["host"]), database=str(parts["dbname"]), read_user="look_redteam")
    (repos / "mine").mkdir(parents=True)
    (repos / "other").mkdir()
    (repos / "other" / "compose.yml").write_text(f"services: {{web: {{image: {NEIGHBOUR}}}}}")

    def one(name: str, **more: Any) -> Service:
        kind: dict[str, Any] = {"kind": ServiceKind.EXTERNAL}
        return Service(id=service_id("local", name), name=name, **(kind | more))

    def composed(name: str, file: str) -> Service:
        return one(name, repository="mine", compose=ComposeRef(project="p", service="web", file=file))

    return (
        *shop.inventory().services,
        one("shop-db", probes=(reader,)),
        one(
            "web",
            probes=(HttpProbe(url=f"http://127.0.0.1:{port}/health"), HttpProbe(url="http://meta.declared.test/")),
        ),
        one("hostile-unit", kind=ServiceKind.UNIT, target="--file=/etc/passwd"),
        composed("climber", "/etc/passwd"),
        composed("neighbour", str(repos / "mine" / ".." / "other" / "compose.yml")),
    )


def _of(services: tuple[Service, ...]) -> Callable[[], Awaitable[Inventory]]:
    async def load() -> Inventory:
        return Inventory(services=services)

    return load


async def _hello(_: web.BaseRequest) -> web.Response:
    return web.Response(text=ELSEWHERE)


async def _run(room: gateway.Room, bench: Bench, targets: dict[str, Any]) -> list[dict[str, Any]]:
    session = SessionId(str(uuid.uuid4()))
    door = await room.open(3, session)
    folder = SessionFolder(root=door.folder.root)
    folder.work.mkdir()
    (folder.work / "looking.json").write_text(json.dumps(targets))
    (folder.work / "attack.py").write_bytes(ATTACK.read_bytes())
    script = f"exec /usr/bin/python3 -I {folder.work}/attack.py"
    launch = Launch(session=session, attempt=1, folder=folder, argv=("-c", script), env=ENV, prompt="", timeout_s=120)
    handle = await bench.engine.start_or_attach(launch)
    state = await bench.end(handle, 120)
    lines = [json.loads(line) for line in (await bench.output(handle)).splitlines()]
    assert lines[-1:] == [{"done": len(lines) - 1}], (state, lines[-2:])
    await room.keeper.close(session)
    await room.written()
    return lines[:-1]


async def test_who_may_only_look_sees_no_secret_and_changes_nothing(
    tmp_path: Path, shop: Talkers, database: str, bench: Bench, docker_engine: Settings
) -> None:
    api: Any = docker.APIClient(version="auto")  # pyright: ignore[reportPrivateImportUsage]
    engine, made = DockerEngine(), f"tiercel-look-made-{uuid.uuid4().hex[:8]}"
    before = {name: _life(api, name) for name in shop.ids}
    names = Names(meta_declared_test=[["169.254.169.254"]])
    async with site(_hello) as (port, asked), site(_hello) as (other_port, strangers):
        services = _services(shop, database, port, tmp_path / "repos")
        window = DockerWindow(engine, _of(services), redactor((SECRET,)), (SECRET,))
        async with looking_room(
            tmp_path, *services, window=window, addresses=names, repos_dir=tmp_path / "repos", environ={}
        ) as room:
            targets = {
                "secrets": [DB_PASSWORD, FLAG_SECRET, STRANGER_SECRET, HIDDEN, NEIGHBOUR, ELSEWHERE, SECRET, "root:x:0:0"],
                "stranger": shop.stranger, "stranger_id": shop.ids[shop.stranger], "own": shop.own, "shop": shop.declared,
                "image": docker_engine.session_image, "made": made, "port": port, "other_port": other_port,
            }  # fmt: skip
            rows = await _run(room, bench, targets)
            audit = looks(room)
    await engine.close()
    for row in rows:
        sys.stdout.write(f"{'REACHED' if row['reached'] else 'held   '} {row['name']:<66} {row['detail'][:90]}\n")
    assert len(rows) >= LEAST_WAYS
    assert [row for row in rows if row["reached"] != ("CONTROL" in row["name"])] == []
    assert {name: _life(api, name) for name in shop.ids} == before, "the same processes run on"
    assert [c for c in api.containers(all=True, filters={"name": made})] == []  # noqa: C416 - what was found is shown
    api.close()
    assert asked == strangers == []
    assert not COPIED.exists()
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (1,)
    refused = {(tool, target) for action, tool, target in audit if action in {"look_refused", "look_failed"}}
    assert {"docker", "sql_read", "http_get", "journal", "compose_config"} <= {tool.split()[0] for tool, _ in refused}


def _life(api: Any, name: str) -> tuple[str, str, int]:
    found = api.inspect_container(name)
    return found["Id"], found["State"]["StartedAt"], found["RestartCount"]


@pytest.mark.parametrize("make", BOTH[1:], indirect=True)
async def test_the_docker_command_of_the_image_looks_through_the_door_and_does_no_more(
    tmp_path: Path, shop: Talkers, bench: Bench
) -> None:
    services, engine = shop.inventory().services, DockerEngine()
    window = DockerWindow(engine, _of(services), redactor((SECRET,)), (SECRET,))
    commands = (
        "ps -q",
        "logs --tail 2 {}",
        "inspect -f {{{{.State.Status}}}} {}",
        "stats --no-stream {}",
        "top {}",
        "images -q",
    )
    lines = [f'docker {c.format(shop.declared)} >/dev/null 2>/tmp/e; echo "{c.split()[0]} $?"' for c in commands]
    lines += [f'docker {c} {shop.declared} id >/dev/null 2>&1; echo "{c} $?"' for c in ("exec", "kill", "rm -f", "cp")]
    async with looking_room(tmp_path, *services, window=window) as room:
        session = SessionId(str(uuid.uuid4()))
        door = await room.open(1, session)
        folder = SessionFolder(root=door.folder.root)
        env = {
            **ENV,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "DOCKER_HOST": "tcp://127.0.0.1:9000/docker",
            "HOME": "/tmp",
        }
        launch = Launch(
            session=session, attempt=1, folder=folder, argv=("-c", "; ".join(lines)), env=env, prompt="", timeout_s=60
        )
        handle = await bench.engine.start_or_attach(launch)
        state = await bench.end(handle, 60)
        said = (await bench.output(handle)).decode().splitlines()
    await engine.close()
    assert said == [
        *(f"{c.split()[0]} 0" for c in commands), "exec 1", "kill 1", "rm -f 1", "cp 1",
    ], (said, state)  # fmt: skip
