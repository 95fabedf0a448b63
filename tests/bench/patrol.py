"""A patrol of 1,000 services: real workflow, real probes, real record; the targets answer in a process of their own."""

import argparse
import contextlib
import multiprocessing
import resource
import socket
import time
from collections.abc import Iterator

from aiohttp import web
from temporalio.client import Client

from adapters.database.pool import Pool
from adapters.probes.runner import ProbeRunner
from config.clock import SystemClock
from domain.engine import PATROL, TASK_QUEUE_CONTROL
from domain.health import HttpProbe, TcpProbe
from domain.incident import PatrolInput, PatrolResult
from domain.inventory import Service
from tests.bench.figures import show
from tests.bench.record import with_record
from tests.support.engine_room import QUICK, engine_room
from tests.support.temporal import dev_server
from tests.support.world import World, a_service

SERVICES = 1_000


def serve(listening: socket.socket) -> None:
    """A server that stands for all services."""

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_get("/{name}", healthy)
    web.run_app(app, sock=listening, print=None, access_log=None)


@contextlib.contextmanager
def targets() -> Iterator[int]:
    """Yields the port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1024)
        process = multiprocessing.get_context("fork").Process(target=serve, args=(listening,), daemon=True)
        process.start()
        try:
            yield listening.getsockname()[1]
        finally:
            process.kill()
            process.join()


def services(port: int) -> list[Service]:
    """Each with an HTTP and a TCP probe."""
    return [
        a_service(
            f"s{n}",
            probes=(
                HttpProbe(name="http", url=f"http://127.0.0.1:{port}/s{n}"),
                TcpProbe(name="tcp", host="127.0.0.1", port=port),
            ),
        )
        for n in range(SERVICES)
    ]


async def one(client: Client, n: int) -> tuple[float, PatrolResult]:
    order = PatrolInput(policy=QUICK, dry_run=True)
    began = time.perf_counter()
    result = await client.execute_workflow(
        PATROL, order, id=f"patrol-{n}", task_queue=TASK_QUEUE_CONTROL, result_type=PatrolResult
    )
    return time.perf_counter() - began, result


async def measure(url: str, rounds: int) -> None:
    prober = ProbeRunner(clock=SystemClock(), redact=str)
    with targets() as port:
        world = World(services(port))
        async with Pool(url) as pool, dev_server() as (client, _), engine_room(client, pool, world, prober=prober):
            taken = [await one(client, n) for n in range(rounds)]
    await prober.close()
    assert all(r.services == SERVICES and not r.failing for _, r in taken)
    for n, (seconds, _) in enumerate(taken):
        show(f"patrol {n + 1} of {SERVICES:,} services, {2 * SERVICES:,} probes", f"{seconds:.2f} s", "under 10 s")
    show(
        "memory of the worker at its largest",
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB",
        "under 300 MB",
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with_record(lambda url: measure(url, rounds))


if __name__ == "__main__":
    main()
