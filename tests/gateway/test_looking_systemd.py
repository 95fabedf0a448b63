"""unit_status and journal against a systemd and a journal that really run (tests/support/systemd.py)."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.project.tree import ROOT
from tests.support.systemd import Booted, systemd, why_not

# In CI, too: control groups may be read-only where it runs.
pytestmark = pytest.mark.optional

TOKEN = "abcdef123456789"
UNITS = {
    "shop.service": f"""Description=A shop
[Service]
ExecStart=/bin/sh -c 'echo open for business; echo token={TOKEN}; echo on stderr >&2; printf "\\\\033[31mred\\\\033[0m\\\\n"; exec sleep 900'
""",
    "broken.service": "[Service]\nExecStart=/bin/sh -c 'echo cannot go on; exit 3'\n",
    "neighbour.service": "[Service]\nExecStart=/bin/sh -c 'echo secrets of the neighbour; exec sleep 900'\n",
}
# Runs beside that systemd, as the gateway would: the real tools over the real programs.
LOOK = """
import asyncio, json, sys
from pathlib import Path
from config.clock import SystemClock
from config.settings import load
from domain.ids import service_id
from domain.inventory import Inventory, Service, ServiceKind
from domain.looking import looking_tool
from gateway.docker_engine import DockerEngine
from gateway.docker_window import DockerWindow
from gateway.looking import table
from gateway.looking.sight import Sight
from gateway.sight import presence
from policy.redaction import redactor
asks = json.loads(sys.argv[1])
units = {u for _, u, _ in asks}
services = tuple(Service(id=service_id("local", f"s{n}"), name=f"s{n}", kind=ServiceKind.UNIT, target=u) for n, u in enumerate(units))
names = {s.target: s.id for s in services}
async def main():
    sight = Sight(clock=SystemClock(), redact=redactor(()))
    said = [await table.run(looking_tool(tool), {"service": names[unit], **more}, sight, Inventory(services=services)) for tool, unit, more in asks]
    engine = DockerEngine("unix:///nowhere")
    present = presence(load(), DockerWindow(engine, None, str))()
    await engine.close()
    print(json.dumps({"said": [[a.fault, a.text] for a in said], "present": sorted(n.name for n in present)}))
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    if reason := why_not():
        pytest.skip(reason)
    with systemd(tmp_path_factory.mktemp("systemd"), UNITS) as found:
        yield found


def look(booted: Booted, *asks: tuple[str, str, dict[str, Any]], path: str = "") -> tuple[list[list[Any]], list[str]]:
    """(fault, text) of each question, and what the gateway finds there. `path`: where to look for programs first."""
    env = (f"PYTHONPATH={ROOT}", f"HOME={Path.home()}", f"PATH={path}:{os.environ['PATH']}")
    done = booted.run("env", *env, sys.executable, "-c", LOOK, json.dumps(asks))
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    return found["said"], found["present"]


def test_the_state_of_units_is_what_systemd_says(booted: Booted) -> None:
    said, present = look(
        booted,
        ("unit_status", "shop.service", {}),
        ("unit_status", "broken.service", {}),
        ("unit_status", "nobody.service", {}),
        ("unit_status", "--help", {}),
    )
    assert {"UNITS", "JOURNAL"} <= set(present)
    (_, shop), (_, broken), (_, nobody), (refused, words) = said
    assert {"Id=shop.service", "Description=A shop", "ActiveState=active", "SubState=running"} <= set(shop.splitlines())
    assert {"ActiveState=failed", "Result=exit-code", "ExecMainStatus=3"} <= set(broken.splitlines())
    assert "LoadState=not-found" in nobody
    assert refused
    assert "cannot be the name of a unit" in words


def test_the_journal_is_read_redacted_bounded_and_of_that_unit_only(booted: Booted) -> None:
    said, _ = look(
        booted,
        ("journal", "shop.service", {}),
        ("journal", "shop.service", {"contains": "business"}),
        ("journal", "shop.service", {"lines": 1}),
        ("journal", "broken.service", {}),
        ("journal", "nobody.service", {}),
    )
    (_, shop), (_, chosen), (_, last), (_, broken), (fault, nobody) = said
    assert "open for business" in shop
    assert "on stderr" in shop
    assert TOKEN not in shop
    assert "token=[redacted]" in shop
    assert "neighbour" not in shop
    assert "\x1b" not in shop
    assert len([line for line in chosen.splitlines() if "business" in line]) == 1
    assert "on stderr" not in chosen
    assert len(last.splitlines()) == 3  # the warning, the mark, one line
    assert "cannot go on" in broken
    assert not fault
    assert nobody.count("\n") <= 3


@pytest.mark.parametrize(
    "program",
    [
        'exec setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/journalctl "$@"',
        # One who has a journal of his own: quiet, it is only empty.
        'case "$*" in *--quiet*) ;; *) echo "Hint: You are currently not seeing messages from other users" >&2 ;; esac',
    ],
)
def test_a_user_who_may_not_read_the_journal_is_told_so_instead_of_shown_nothing(
    booted: Booted, tmp_path: Path, program: str
) -> None:
    (tmp_path / "journalctl").write_text(f"#!/bin/sh\n{program}\n", encoding="utf-8")
    (tmp_path / "journalctl").chmod(0o755)
    tmp_path.chmod(0o755)
    [(fault, text)], _ = look(booted, ("journal", "shop.service", {}), path=str(tmp_path))
    assert fault
    assert "add it to the group systemd-journal" in text
