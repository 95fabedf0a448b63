"""A runner that is started ahead of need: it waits, with everything loaded, until it is told which attempt it runs.

Nothing of a session is in it before, and it serves one. It lives on a lease like every other runner. Standard library
only, on the host and in the session image alike.
"""

# pathlib costs more time than everything that happens here before the first model request.
# ruff: noqa: PTH123

import json
import os
import select
from importlib import import_module

from adapters.containers import runner
from adapters.containers.spawn import Spec

ON_HOST = "host"
_MESSAGE_BYTES = 4096  # what a pipe takes or gives in one piece
_LOADED_AHEAD = ("socket", "threading", "resource", "adapters.containers.relay", "adapters.containers.namespaces")


def main(go: str, lease: str, lease_s: str, where: str, *_: str) -> None:
    """Wait at the pipe `go` for the path of a launch.json. Ends by itself when the lease runs out.

    What follows is for people who look with `ps`.
    """
    if where == ON_HOST:
        runner.detach()
    for module in _LOADED_AHEAD:
        import_module(module)
    # Read and write: a pipe whose last writer has gone would wake us for ever.
    pipe = os.open(go, os.O_RDWR | os.O_CLOEXEC)
    runner.tell_starter()
    path = _told(pipe, runner.Lease(lease, float(lease_s)))
    if not path:
        return
    with open(path, "rb") as f:
        spec = Spec(json.load(f))
    runner.run(spec, lambda: os.close(pipe))


def _told(pipe: int, lease: runner.Lease) -> str:
    """The path that came; empty where nobody needs us any more."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    while not poll.poll(runner.TICK_S * 2000):
        if lease.expired():
            return ""
    return os.read(pipe, _MESSAGE_BYTES).partition(b"\n")[0].decode()
