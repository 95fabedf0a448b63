"""The plain Temporal server 1.32.0 for tests that move the clock of one workflow.

    @pytest.fixture(scope="session")
    def plain_server() -> Iterator[str]:
        with started() as address:
            yield address

Then `temporalio.testing.TimeSkipper(client)` and `fast_forward(handle, timedelta(hours=4))`.
"""

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import yaml
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest, RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from adapters.engine.build import PLAIN_SERVER, build
from config.ports import free_ports
from config.settings import load
from domain.engine import SEARCH_ATTRIBUTES
from tests.support.processes import listens, start, stop, wait_until

SERVICES = ("frontend", "matching", "history", "worker")
TYPES = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "Int": IndexedValueType.INDEXED_VALUE_TYPE_INT,
    "Bool": IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
}


def binary() -> Path:
    """The server's program, from the cache or built now (about 4 minutes). ConfigurationError where it cannot be."""
    return asyncio.run(build(PLAIN_SERVER, load().cache_dir, print))


@contextlib.contextmanager
def started(folder: Path | None = None) -> Iterator[str]:
    """Run a server on a SQLite file; yields its address. With `folder`, its state stays there for the next start."""
    program = binary()
    root = folder or Path(tempfile.mkdtemp(prefix="tiercel-plain-"))
    root.mkdir(parents=True, exist_ok=True)
    ports = free_ports(2 * len(SERVICES) + 3)
    _write_configuration(root, ports)
    log = root / "server.log"
    argv = [str(program), "--config-file", str(root / "server.yaml"), "--allow-no-auth", "start"]
    process = start(argv, log, root)
    try:
        wait_until(lambda: listens(ports[0]), process, log)
        address = f"127.0.0.1:{ports[0]}"
        asyncio.run(_prepare(address))
        yield address
    finally:
        stop(process)
        if folder is None:
            shutil.rmtree(root, ignore_errors=True)


def _write_configuration(root: Path, ports: list[int]) -> None:
    store = {
        "sql": {
            "pluginName": "sqlite", "databaseName": str(root / "temporal.db"),
            "connectAddr": "localhost", "connectProtocol": "tcp",
            "connectAttributes": {"cache": "private", "setup": True, "journal_mode": "wal", "synchronous": 0},
            "maxConns": 1, "maxIdleConns": 1, "maxConnLifetime": "1h",
        }
    }  # fmt: skip
    grpc, membership = ports[: len(SERVICES)], ports[len(SERVICES) : 2 * len(SERVICES)]
    http, metrics, pprof = ports[2 * len(SERVICES) :]
    services = {
        name: {"rpc": {"grpcPort": grpc[i], "membershipPort": membership[i], "bindOnLocalHost": True}}
        for i, name in enumerate(SERVICES)
    }
    services["frontend"]["rpc"]["httpPort"] = http
    rpc = {"rpcName": "frontend", "rpcAddress": f"127.0.0.1:{grpc[0]}", "httpAddress": f"127.0.0.1:{http}"}
    configuration = {
        "log": {"stdout": True, "level": "warn"},
        "persistence": {
            "defaultStore": "store", "visibilityStore": "store", "numHistoryShards": 1, "datastores": {"store": store},
        },
        "global": {
            "membership": {"maxJoinDuration": "30s", "broadcastAddress": "127.0.0.1"},
            "pprof": {"port": pprof, "host": "127.0.0.1"},
            "metrics": {"prometheus": {"timerType": "histogram", "listenAddress": f"127.0.0.1:{metrics}"}},
        },
        "services": services,
        "clusterMetadata": {
            "enableGlobalNamespace": False, "failoverVersionIncrement": 10,
            "masterClusterName": "active", "currentClusterName": "active",
            "clusterInformation": {"active": {"enabled": True, "initialFailoverVersion": 1, **rpc}},
        },
        "dcRedirectionPolicy": {"policy": "noop"},
        "dynamicConfigClient": {"filepath": str(root / "dynamic.yaml"), "pollInterval": "60s"},
    }  # fmt: skip
    dynamic = {
        "frontend.WorkflowTimeSkippingEnabled": [{"value": True}],
        # A namespace or search attribute that was just made must be seen by the next call, or tests would have to wait.
        "system.forceSearchAttributesCacheRefreshOnRead": [{"value": True}],
        "system.namespaceCacheRefreshInterval": [{"value": "1s"}],
        "frontend.namespaceRPS.visibility": [{"value": 100}],
    }
    (root / "server.yaml").write_text(yaml.safe_dump(configuration))
    (root / "dynamic.yaml").write_text(yaml.safe_dump(dynamic))


async def _prepare(address: str) -> None:
    """Make the namespace `default` with our search attributes, and wait until both are seen."""
    deadline = time.monotonic() + 60
    while True:
        try:
            client = await Client.connect(address)
            await _register(client)
            await _seen(client)
            return
        except (RPCError, RuntimeError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)


async def _register(client: Client) -> None:
    request = RegisterNamespaceRequest(namespace="default")
    request.workflow_execution_retention_period.FromTimedelta(timedelta(days=90))
    try:
        await client.workflow_service.register_namespace(request)
    except RPCError as e:
        if e.status != RPCStatusCode.ALREADY_EXISTS:
            raise
    attributes = {name: TYPES[kind] for name, kind in SEARCH_ATTRIBUTES.items()}
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(search_attributes=attributes, namespace="default")
        )
    except RPCError as e:
        if e.status != RPCStatusCode.ALREADY_EXISTS:
            raise


async def _seen(client: Client) -> None:
    """A namespace is known to its caches some time after it exists: then an unknown workflow is the answer."""
    request = DescribeWorkflowExecutionRequest(
        namespace="default", execution=WorkflowExecution(workflow_id="nobody-starts-this")
    )
    try:
        await client.workflow_service.describe_workflow_execution(request)
    except RPCError as e:
        if e.status != RPCStatusCode.NOT_FOUND or "workflow" not in e.message.lower():
            raise
    async for _ in client.list_workflows("Service = 'nobody'"):
        pass
