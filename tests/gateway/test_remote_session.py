"""The real CLI on another machine: its door is an address, its gateway dies, its token is in nobody's hands."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from temporalio.client import Client
from temporalio.worker import Worker

from adapters.engine.client import TemporalEscalations
from config.clock import SystemClock
from config.settings import Settings
from demo.model import Running, Scenario, serve
from domain.engine import TASK_QUEUE_CONTROL
from domain.ids import ServiceId
from domain.incident import Alert
from domain.ports import Door
from domain.session import SessionStatus
from gateway.remote.far import Far
from gateway.remote.relay import FarDoors
from tests.support import claude_cli, gateway
from tests.support.claude_cli import GOOD_REPORT, TIER_2, Bench
from tests.support.entity import CountingEscalation
from tests.support.gateway_process import GatewayProcess
from tests.support.remote import SECRET, settings_of
from tests.support.temporal import dev_server


def scenario(*steps: dict[str, Any], **more: Any) -> Scenario:
    return Scenario.model_validate({"rules": [{"name": "all", "steps": [*steps, {"report": GOOD_REPORT}]}], **more})


def act(**params: Any) -> dict[str, Any]:
    arguments = {"kind": "restart", "target": "local/web", "reason": "hung", "params": params}
    return {"use": {"tool": "mcp__tiercel__act", "input": arguments}}


@dataclass
class Apart:
    """The gateway with the key as a process, and what leads there from another folder."""

    process: GatewayProcess
    keeper: FarDoors
    far: Far
    bench: Bench
    model: Running
    home: Path
    there: Settings

    def door(self, session: str, **changes: Any) -> Door:
        return gateway.make_door(self.home, 2, session, **changes)

    def token(self, door: Door) -> str:
        return self.keeper._led[door.session].token


@asynccontextmanager
async def apart(folder: Path, script: Scenario, address: str = "127.0.0.1:1", url: str = "") -> AsyncIterator[Apart]:
    here, there = settings_of(folder, tls=True)
    model = await serve(script)
    extra = {
        "TIERCEL_GATEWAY_LISTEN": here.gateway_listen,
        "TIERCEL_GATEWAY_CERT": str(here.gateway_cert),
        "TIERCEL_GATEWAY_CERT_KEY": str(here.gateway_cert_key),
        "TIERCEL_GATEWAY_SECRET": SECRET,
    }
    process = GatewayProcess(folder / "here", model.url, address, url, extra)
    await process.start()
    far = Far.of(there)
    keeper = FarDoors(folder / "there" / "sessions", far)
    bench = Bench(folder, model, claude_cli.Door(model_url=model.url))
    try:
        yield Apart(process, keeper, far, bench, model, folder / "there", there)
    finally:
        await keeper.stop()
        await process.stop()
        await model.close()


async def until(condition: Any, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.05)


def command_lines_and_environments() -> bytes:
    found = b""
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                found += (process / name).read_bytes()
            except OSError:
                continue
    return found


async def test_a_session_on_another_machine_outlives_its_gateway_twice_and_its_token_is_nowhere(
    tmp_path: Path, database_url: str
):
    async with (
        dev_server() as (client, address),
        Worker(client, task_queue=TASK_QUEUE_CONTROL, workflows=[CountingEscalation]),
    ):
        port = TemporalEscalations(client, Settings().escalation_policy, lambda: False, SystemClock())
        workflow = (await port.open(Alert(service=ServiceId("local/web"), at=SystemClock().now()))).workflow_id
        script = scenario({"say": "word " * 40, **act(seconds=3)}, pace_s=0.02)
        async with apart(tmp_path, script, address, database_url) as it:
            plan = it.bench.plan(tier=TIER_2)
            door = it.door(plan.session, workflow_id=workflow)
            await it.keeper.open(door)
            secret = it.token(door).partition(".tds_")[2].encode()
            it.bench.door.url = gateway.relay(door)
            running = await it.bench.start(plan)
            told, ended = await _killed_twice(it, running, client, workflow)
            await it.keeper.close(door.session)
            history = (await client.get_workflow_handle(workflow).fetch_history()).to_json()
            story = await client.get_workflow_handle(workflow).query(CountingEscalation.story)
            upstream = "".join(r.model_dump_json() for r in it.model.requests)

    assert ended.verdict.status == SessionStatus.COMPLETED, (ended.verdict, it.process.log.read_text()[-3000:])
    assert story["effects"] == 1
    assert [str(r[0]) for r in _rows(database_url, "SELECT DISTINCT session FROM model_call")] == [plan.session]
    assert {str(r[0]) for r in _rows(database_url, "SELECT action FROM audit")} >= {"token.issued", "token.ended"}
    for name, text in {
        "processes": told,
        "history": history.encode(),
        "upstream": upstream.encode(),
        "record": str(_everything(database_url)).encode(),
        "output": "".join(ended.lines).encode(),
        "files": b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()),
    }.items():
        assert text, name
        assert secret not in text, f"the token is in: {name}"


async def _killed_twice(
    it: Apart, running: asyncio.subprocess.Process, client: Client, workflow: str
) -> tuple[bytes, claude_cli.Ended]:
    """In the middle of a streamed answer, and in the middle of an action."""

    async def asked() -> bool:
        return len(it.model.requests) > 0

    async def acting() -> bool:
        return (await client.get_workflow_handle(workflow).query(CountingEscalation.story))["effects"] > 0

    await until(asked)
    told = command_lines_and_environments()
    await it.process.kill()
    await it.process.start()
    await until(acting)
    await it.process.kill()
    await it.process.start()
    return told, await it.bench.finish(running)


async def test_a_relay_is_killed_in_the_middle_and_a_door_that_is_closed_ends_its_session(tmp_path: Path):
    """Both machines as processes, as they are started."""
    look = {"use": {"tool": "mcp__tiercel__services", "input": {}}}
    script = scenario({"say": "word " * 40, **look}, {"say": "word " * 400}, pace_s=0.02)
    async with apart(tmp_path, script) as it:
        extra = {
            "TIERCEL_GATEWAY_URL": it.far.url,
            "TIERCEL_GATEWAY_CA": str(it.there.gateway_ca),
            "TIERCEL_GATEWAY_SECRET": SECRET,
            "TIERCEL_CREDENTIAL": "api_key",
            "ANTHROPIC_API_KEY": "",
        }
        relay = GatewayProcess(it.home, "http://127.0.0.1:9", "127.0.0.1:1", "postgresql://x:y@127.0.0.1:1/z", extra)
        await relay.start()
        plan = it.bench.plan(tier=TIER_2)
        door = it.door(plan.session)
        await relay.doors.open(door)
        it.bench.door.url = gateway.relay(door)
        running = await it.bench.start(plan)

        async def asked() -> bool:
            return len(it.model.requests) > 0

        async def goes_on() -> bool:
            return any(r.tool_result for r in it.model.requests)

        await until(asked)
        await relay.kill()
        await relay.start()
        await until(goes_on, 40)
        await it.process.doors.close(door.session)
        before = len(it.model.requests)
        ended = await it.bench.finish(running)
        assert await it.process.doors.opened() == ()
        await relay.stop()
        assert ended.verdict.status == SessionStatus.RETRY_LATER, "as where the gateway is away: the workflow decides"
        assert len(it.model.requests) == before, "nothing more was asked"
        assert gateway.API_KEY.secret.get_secret_value() not in relay.log.read_text()


def _rows(url: str, query: Any) -> list[Any]:
    with psycopg.connect(url) as db:
        return db.execute(query).fetchall()


def _everything(url: str) -> list[Any]:
    """Every row of every table, as text."""
    with psycopg.connect(url) as db:
        names = db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return [db.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(n))).fetchall() for (n,) in names]
