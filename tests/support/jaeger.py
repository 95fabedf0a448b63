"""A real Jaeger (memory storage) for the test that asks its query API what arrived.

with started() as jaeger:
    ...  # with environment {"OTEL_EXPORTER_OTLP_ENDPOINT": jaeger.endpoint}
    trace = jaeger.trace(trace_id)
"""

import asyncio
import contextlib
import json
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from adapters.engine.build import JAEGER, build
from config.ports import free_ports
from config.settings import load
from tests.support.processes import listens, start, stop, wait_until


@dataclass(frozen=True)
class Jaeger:
    """Where to send (OTLP/HTTP) and where to ask."""

    endpoint: str
    query: str

    def services(self) -> list[str]:
        """The services that it knows."""
        return sorted(self._get("/api/services")["data"] or [])

    def trace(self, trace_id: str, seconds: float = 15) -> dict[str, Any]:
        """One trace, once it is there: {"traceID", "spans": [...], "processes": {...}}."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(urllib.error.HTTPError):
                return self._get(f"/api/traces/{trace_id}")["data"][0]
            assert time.monotonic() < deadline, f"Jaeger has no trace {trace_id}"
            time.sleep(0.1)

    def traces_of(self, service: str) -> set[str]:
        """The ids of the traces that this service has spans in."""
        return {one["traceID"] for one in self._get(f"/api/traces?service={service}&limit=200")["data"] or []}

    def _get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(self.query + path, timeout=5) as response:
            return json.load(response)


def binary() -> Path:
    """Jaeger's program, from the cache or built now (about 3 minutes). ConfigurationError where it cannot be."""
    return asyncio.run(build(JAEGER, load().cache_dir, print))


@contextlib.contextmanager
def started() -> Iterator[Jaeger]:
    """Run it on loopback ports of its own."""
    program = binary()
    folder = Path(tempfile.mkdtemp(prefix="tiercel-jaeger-"))
    otlp, query, grpc = free_ports(3)
    (folder / "jaeger.yaml").write_text(yaml.safe_dump(_configuration(otlp, query, grpc)))
    log = folder / "jaeger.log"
    process = start([str(program), "--config", f"file:{folder / 'jaeger.yaml'}"], log, folder)
    try:
        wait_until(lambda: listens(otlp) and listens(query), process, log)
        yield Jaeger(f"http://127.0.0.1:{otlp}", f"http://127.0.0.1:{query}")
    finally:
        stop(process, grace_s=0.2)  # it holds nothing but memory
        shutil.rmtree(folder, ignore_errors=True)


def _configuration(otlp: int, query: int, grpc: int) -> dict[str, Any]:
    return {
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn"}},
        },
        "extensions": {
            "jaeger_query": {
                "storage": {"traces": "memory"},
                "http": {"endpoint": f"127.0.0.1:{query}"},
                "grpc": {"endpoint": f"127.0.0.1:{grpc}"},
            },
            "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": 10000}}}},
        },
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{otlp}"}}}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
    }
