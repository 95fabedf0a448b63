"""The one connection: it waits for a starting server, and says what to do when there is none."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from temporalio.contrib.opentelemetry import TracingInterceptor

from config.ports import free_ports
from config.settings import Settings, load
from config.temporal import DATA_CONVERTER, connect, identity
from domain.errors import ConfigurationError, EngineUnavailableError
from domain.health import ProbeResult
from tests.support.temporal_binary import binary


def settings(port: int, namespace: str = "default") -> Settings:
    return load({"TIERCEL_TEMPORAL_PORT": str(port), "TEMPORAL_NAMESPACE": namespace})


@asynccontextmanager
async def temporal(port: int, after_s: float = 0) -> AsyncIterator[None]:
    await asyncio.sleep(after_s)
    argv = (
        str(await asyncio.to_thread(binary)),
        "server",
        "start-dev",
        "--headless",
        "--ip",
        "127.0.0.1",
        "--port",
        str(port),
        "--log-level",
        "error",
    )
    process = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    )
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_nobody_there_is_an_error_that_says_what_to_start() -> None:
    port = free_ports(1)[0]
    with pytest.raises(
        EngineUnavailableError, match=rf"Temporal at 127\.0\.0\.1:{port} does not answer .*`tiercel up`"
    ):
        await connect(settings(port))


@pytest.mark.temporal
async def test_it_waits_for_a_server_that_starts_late_and_names_a_missing_namespace() -> None:
    port = free_ports(1)[0]
    waiting = asyncio.create_task(connect(settings(port), wait_s=30))
    async with temporal(port, after_s=0.5):
        client = await waiting
        assert client.identity == identity()
        assert str(os.getpid()) in client.identity
        assert await client.service_client.check_health()
        with pytest.raises(ConfigurationError, match="no namespace 'elsewhere'; create it with"):
            await connect(settings(port, "elsewhere"))


@pytest.mark.temporal
async def test_it_traces_once_where_the_process_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_ports(1)[0]
    async with temporal(port):
        plain = await connect(settings(port), wait_s=30)
        assert not [i for i in plain.config()["interceptors"] if isinstance(i, TracingInterceptor)]
        monkeypatch.setattr(trace, "get_tracer_provider", TracerProvider)
        for given in ((), (TracingInterceptor(),)):
            client = await connect(settings(port), interceptors=given)
            assert len([i for i in client.config()["interceptors"] if isinstance(i, TracingInterceptor)]) == 1


async def test_our_values_pass_through_the_converter() -> None:
    value = ProbeResult.model_validate_json(
        '{"service": "local/db", "probe": "tcp", "kind": "tcp", "status": "ok", "at": "2026-01-01T00:00:00Z", "latency_ms": 1.5, "summary": "ok"}'
    )
    payloads = await DATA_CONVERTER.encode([value])
    assert await DATA_CONVERTER.decode(payloads, [ProbeResult]) == [value]


async def test_warnings_of_the_core_go_to_our_log_and_not_to_standard_output(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(EngineUnavailableError):
        await connect(settings(free_ports(1)[0]))
    assert capfd.readouterr().out == ""
