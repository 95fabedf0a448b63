"""Runs the real `tiercel` command, as a shell would."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIERCEL = Path(sys.executable).parent / "tiercel"
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


@dataclass(frozen=True)
class Said:
    """What one command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def jsonl(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Shell:
    """Where commands find their installation: nothing of ours is inherited."""

    environment: Mapping[str, str]

    async def __call__(self, *argv: str, typed: str = "", **more: str) -> Said:
        env = {k: v for k, v in os.environ.items() if k in _KEPT} | dict(self.environment) | more
        process = await asyncio.create_subprocess_exec(
            str(TIERCEL),
            *argv,
            env=env,
            stdin=asyncio.subprocess.PIPE if typed else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(typed.encode() if typed else None)
        said = Said(process.returncode or 0, out.decode(), err.decode())
        assert "Traceback" not in said.out + said.err, said.err
        assert "\x1b" not in said.out + said.err, "control sequences where nobody looks at a terminal"
        return said
