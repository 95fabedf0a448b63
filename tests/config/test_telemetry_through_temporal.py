"""One trace from a client through a workflow into an activity, on a real server; and a real Jaeger that shows it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.engine.server import dev_server_argv
from config.ports import free_ports
from config.settings import load
from tests.support import jaeger
from tests.support.otlp import Collector
from tests.support.processes import listens, start, stop, wait_until
from tests.support.temporal_binary import binary

pytestmark = pytest.mark.temporal

CODE = """
import asyncio
from temporalio.worker import Worker
from config import telemetry
from config.settings import load
from config.temporal import connect
from tests.support.traced import Traced, look

async def main():
    started = telemetry.start("worker")
    client = await connect(load(), wait_s=10)
    async with Worker(client, task_queue="traced", workflows=[Traced], activities=[look]):
        with telemetry.span("patrol", {"tiercel.service": "local/app"}):
            print(telemetry.current_traceparent().split("-")[1])
            await client.execute_workflow(Traced.run, "local/app", id="traced", task_queue="traced")
    started.stop()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("temporal")
    port, ui = free_ports(2)
    settings = load({"TIERCEL_TEMPORAL_PORT": str(port), "TIERCEL_TEMPORAL_UI_PORT": str(ui)})
    process = start(dev_server_argv(binary(), settings, folder / "temporal.db"), folder / "log", folder)
    wait_until(lambda: listens(port), process, folder / "log")
    yield f"127.0.0.1:{port}"
    stop(process)


def run_traced(address: str, endpoint: str) -> str:
    """Runs the workflow in a process of its own; gives the trace id."""
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "TEMPORAL_ADDRESS": address}
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def test_one_trace_runs_from_client_to_activity(temporal: str) -> None:
    with Collector() as collector:
        trace_id = run_traced(temporal, collector.endpoint)
        collector.wait_for("patrol", "RunWorkflow:Traced", "RunActivity:look")
        activity = collector.named("RunActivity:look")[0]
        assert collector.path(activity) == [
            "tiercel-worker/patrol",
            "tiercel-worker/StartWorkflow:Traced",
            "tiercel-worker/StartActivity:look",
            "tiercel-worker/RunActivity:look",
        ]
        # The workflow's own span stands beside: it has no length, so that it is seen while the workflow waits.
        assert collector.path(collector.named("RunWorkflow:Traced")[0])[:-1] == collector.path(activity)[:2]
        assert {span.trace_id for span in collector.spans} == {trace_id}
        assert activity.attributes["temporalWorkflowID"] == "traced"


@pytest.mark.jaeger
def test_a_real_jaeger_shows_the_trace(temporal: str) -> None:
    with jaeger.started() as server:
        trace_id = run_traced(temporal, server.endpoint)
        names = {"patrol", "RunWorkflow:Traced", "RunActivity:look"}
        deadline = time.monotonic() + 15
        while missing := names - {span["operationName"] for span in server.trace(trace_id)["spans"]}:
            assert time.monotonic() < deadline, f"Jaeger misses {missing}"
            time.sleep(0.2)
        assert server.services() == ["tiercel-worker"]
