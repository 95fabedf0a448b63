"""The gateway as a process: what is lost when it is killed (nothing), and what its log holds (no secret)."""

import asyncio
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest_asyncio
from temporalio.client import Client
from temporalio.worker import Worker

from adapters.engine.client import TemporalEscalations
from config.clock import SystemClock
from config.settings import Settings
from demo.model import Scenario, serve
from domain.engine import TASK_QUEUE_CONTROL
from domain.ids import ServiceId
from domain.incident import Alert
from domain.session import SessionStatus
from tests.support import claude_cli, gateway
from tests.support.claude_cli import GOOD_REPORT, TIER_2, Bench
from tests.support.entity import CountingEscalation
from tests.support.gateway_process import GatewayProcess
from tests.support.temporal import dev_server


def act(**params: Any) -> dict[str, Any]:
    arguments = {"kind": "restart", "target": "local/web", "reason": "hung", "params": params}
    return {"use": {"tool": "mcp__tiercel__act", "input": arguments}}


def scenario(*steps: dict[str, Any], **more: Any) -> Scenario:
    return Scenario.model_validate({"rules": [{"name": "all", "steps": [*steps, {"report": GOOD_REPORT}]}], **more})


@pytest_asyncio.fixture(name="escalation")
async def _escalation() -> AsyncIterator[tuple[Client, str, str]]:
    async with (
        dev_server() as (client, address),
        Worker(client, task_queue=TASK_QUEUE_CONTROL, workflows=[CountingEscalation]),
    ):
        port = TemporalEscalations(client, Settings().escalation_policy, lambda: False, SystemClock())
        opened = await port.open(Alert(service=ServiceId("local/web"), at=SystemClock().now()))
        yield client, address, opened.workflow_id


async def until(condition: Any, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.05)


async def test_killed_while_an_answer_streams_and_while_an_action_runs_it_loses_and_doubles_nothing(
    tmp_path: Path, escalation: tuple[Client, str, str], database_url: str
):
    client, address, workflow_id = escalation
    handle = client.get_workflow_handle(workflow_id)
    model = await serve(scenario({"say": "word " * 40, **act(seconds=3)}, pace_s=0.02))
    process = GatewayProcess(tmp_path / "home", model.url, address, database_url)
    await process.start()
    bench = Bench(tmp_path, model, claude_cli.Door(model_url=model.url))
    plan = bench.plan(tier=TIER_2)
    door = gateway.make_door(process.home, 2, plan.session, workflow_id=workflow_id)
    await process.doors.open(door)
    bench.door.url = gateway.relay(door)
    running = await bench.start(plan)

    async def asked() -> bool:
        return len(model.requests) > 0

    await until(asked)
    await asyncio.sleep(0.3)
    await process.kill()  # in the middle of the stream
    await process.start()

    async def acting() -> bool:
        return (await handle.query(CountingEscalation.story))["effects"] > 0

    await until(acting)
    await process.kill()  # in the middle of the action
    await process.start()
    ended = await bench.finish(running)
    story = await handle.query(CountingEscalation.story)
    assert await process.stop() == 0
    await model.close()

    assert ended.verdict.status == SessionStatus.COMPLETED, (ended.verdict, process.log.read_text()[-3000:])
    assert story["effects"] == 1
    assert "done: restart local/web" in model.requests[-1].tool_result
    assert gateway.API_KEY.secret.get_secret_value() not in process.log.read_text()
    with psycopg.connect(database_url) as db:
        rows = db.execute("SELECT session, status, scripted FROM model_call").fetchall()
        audits = [str(r[0]) for r in db.execute("SELECT action FROM audit ORDER BY id")]
    assert rows
    assert {str(r[0]) for r in rows} == {plan.session}
    assert audits.count("action.asked") == 1
    assert audits.count("action.answered") == 1


async def test_it_serves_the_model_without_postgres_and_without_temporal(tmp_path: Path):
    model = await serve(scenario())
    process = GatewayProcess(tmp_path / "home", model.url, database_url="postgresql://x:y@127.0.0.1:1/z")
    await process.start()
    door = gateway.make_door(process.home, 2)
    await process.doors.open(door)
    body = {"model": "claude-sonnet-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    headers = {"x-api-key": "placeholder"}
    async with gateway.through(door) as client, client.post("/model/v1/messages", json=body, headers=headers) as answer:
        assert answer.status == 200
    assert await process.stop() == 0
    await model.close()


async def test_its_sockets_are_for_our_user_only_and_a_second_gateway_does_not_start(tmp_path: Path):
    process = GatewayProcess(tmp_path / "home", "http://127.0.0.1:9")
    await process.start()
    admin = process.home / "run" / "gateway.sock"
    assert stat.S_IMODE(admin.stat().st_mode) == 0o600
    assert stat.S_IMODE(admin.parent.stat().st_mode) == 0o700
    second = GatewayProcess(tmp_path / "home", "http://127.0.0.1:9")
    await second.start()  # the first one answers
    assert second.process
    assert await asyncio.wait_for(second.process.wait(), 15) == 1
    assert "another gateway" in second.log.read_text()
    await process.stop()


async def test_a_wrong_setting_is_one_line_and_exit_2(tmp_path: Path):
    process = GatewayProcess(tmp_path / "home", "http://127.0.0.1:9", extra={"TIERCEL_INTERVALL_S": "5"})
    with process.log.open("ab") as log:
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", env=process.env(), stderr=log, stdout=log
        )
        assert await asyncio.wait_for(started.wait(), 15) == 2
    assert process.log.read_text().count("\n") == 1
