"""What the sandbox of workflows no longer sees, the linter sees: clocks, chance, ids, files, threads."""

import re
import subprocess
import sys

import pytest

from tests.project.tree import ROOT

ROOMS = ("workflows", "policy", "domain", "claude")  # passed through the sandbox; activities have a clock
BANNED = (
    "import os",
    "import time",
    "import random",
    "import secrets",
    "import socket",
    "import subprocess",
    "import threading",
    "from asyncio import to_thread",
    "from uuid import uuid4",
    "from io import open as reads",
    "from datetime import datetime; NOW = datetime.now()",
    "from datetime import date; TODAY = date.today()",
    'FILE = open("x")',
)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_without_the_sandbox_is_told_of_every_clock_chance_and_file(room: str) -> None:
    ruff = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise"]
    rules = ["--select", "TID251,PTH123", "--stdin-filename", f"{room}/a_new_file.py", "-"]
    said = subprocess.run(
        [*ruff, *rules], input="\n".join(BANNED), capture_output=True, text=True, cwd=ROOT, check=False
    )
    seen = {int(n) for n in re.findall(r"a_new_file\.py:(\d+):", said.stdout)}
    assert [line for n, line in enumerate(BANNED, 1) if n not in seen] == []
