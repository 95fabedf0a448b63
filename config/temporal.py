"""The one way to Temporal. Every client, worker, replayer and test uses this converter and this connection."""

import asyncio
import logging
import os
import socket
from collections.abc import Sequence
from datetime import timedelta
from functools import cache

from opentelemetry import trace
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, Interceptor, Plugin
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError, RPCStatusCode

from config.settings import Settings
from domain.errors import ConfigurationError, EngineUnavailableError

DATA_CONVERTER = pydantic_data_converter
_RETRY_S = 0.25
_CONNECT_TIMEOUT = timedelta(seconds=5)


def address(settings: Settings) -> str:
    """host:port of the server in use: the given one, or our own on loopback."""
    return settings.temporal_address or f"127.0.0.1:{settings.temporal_port}"


def identity() -> str:
    """How Temporal shows this process. The supervisor finds a worker's pollers by the process id in it."""
    return f"{os.getpid()}@{socket.gethostname()}"


@cache
def runtime() -> Runtime:
    """The process's one runtime. Its warnings go to our log; by default they would go to standard output."""
    return Runtime(
        telemetry=TelemetryConfig(
            logging=LoggingConfig(
                filter=TelemetryFilter(core_level="WARN", other_level="ERROR"),
                forwarding=LogForwardingConfig(
                    logger=logging.getLogger("temporalio.core"), append_target_to_name=False
                ),
            )
        )
    )


async def connect(
    settings: Settings,
    *,
    interceptors: Sequence[Interceptor] = (),
    plugins: Sequence[Plugin] = (),
    wait_s: float = 0.0,
) -> Client:
    """Connect and see that the namespace exists, trying for `wait_s` seconds while the server starts.

    Traces where this process has a tracer provider. Raises EngineUnavailableError where nobody answers and
    ConfigurationError where the namespace does not exist.
    """
    deadline = asyncio.get_running_loop().time() + wait_s
    while True:
        try:
            client = await Client.connect(
                address(settings),
                namespace=settings.temporal_namespace,
                data_converter=DATA_CONVERTER,
                interceptors=[*_tracing(interceptors), *interceptors],
                plugins=plugins,
                identity=identity(),
                connect_timeout=_CONNECT_TIMEOUT,
                runtime=runtime(),
            )
            await _see_namespace(client, settings)
        except (RuntimeError, RPCError) as e:
            if asyncio.get_running_loop().time() >= deadline:
                raise EngineUnavailableError(_remedy(settings, e)) from e
        else:
            return client
        await asyncio.sleep(_RETRY_S)


async def _see_namespace(client: Client, settings: Settings) -> None:
    try:
        await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=settings.temporal_namespace), timeout=_CONNECT_TIMEOUT
        )
    except RPCError as e:
        if e.status in {RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED}:
            return
        if e.status != RPCStatusCode.NOT_FOUND:
            raise
        name = settings.temporal_namespace
        raise ConfigurationError(
            f"Temporal at {address(settings)} has no namespace '{name}'; create it with "
            f"`temporal operator namespace create -n {name} --retention 90d`, or set TEMPORAL_NAMESPACE"
        ) from e


def _tracing(given: Sequence[Interceptor]) -> tuple[Interceptor, ...]:
    """Tracing where this process exports traces at all; never a second time."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        return ()
    from temporalio.contrib.opentelemetry import TracingInterceptor

    from config.tracing import RootedTracing

    return () if any(isinstance(i, TracingInterceptor) for i in given) else (RootedTracing(),)


def _remedy(settings: Settings, error: Exception) -> str:
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    fix = (
        "check TEMPORAL_ADDRESS and that server"
        if settings.temporal_address
        else "start everything with `tiercel up`, or set TEMPORAL_ADDRESS to a server of yours"
    )
    return f"Temporal at {address(settings)} does not answer ({reason}); {fix}"
