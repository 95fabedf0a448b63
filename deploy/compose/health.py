#!/usr/bin/env python3
"""Whether one of our processes does its work: `health.py gateway | worker | web`. Exit code 0 says yes."""

import asyncio
import sys
from pathlib import Path

from config.settings import Settings, load
from domain.engine import TASK_QUEUE_CONTROL
from worker.supervisor_probes import TemporalProbe, http_answers


def pid_of(module: str) -> int:
    """The process of this container that runs the module; 0 where there is none."""
    wanted = f"-m\0{module}\0"
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if command.read_text(encoding="utf-8", errors="replace").endswith(wanted):
                return int(command.parent.name)
        except OSError:
            continue
    return 0


async def healthy(name: str, settings: Settings) -> bool:
    """The same questions as the supervisor of `tiercel up` asks."""
    if name == "gateway":
        return await http_answers("http://gateway/healthz", socket=settings.home / "run" / "gateway.sock")
    if name == "web":
        return await http_answers(f"{settings.web_url}/healthz")
    pid = pid_of(name)
    return bool(pid) and await TemporalProbe(settings).polled_by(pid, TASK_QUEUE_CONTROL)


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(healthy(sys.argv[1], load())) else 1)
