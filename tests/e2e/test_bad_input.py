"""What owners get wrong, and what machines run out of: one clear line with the fix, and the rest goes on."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import pytest_asyncio

from config.ports import free_ports
from demo.faults import FAULTS
from domain.incident import IncidentState
from tests.e2e.story import Story
from tests.e2e.theatre import FAST, REPOSITORY, SCENARIOS, Theatre, theatre

pytestmark = [pytest.mark.timeout(240), pytest.mark.slow, pytest.mark.postgres, pytest.mark.temporal]

WRONG = {
    "unknown variable": (
        {"TIERCEL_RESTART_LIMTI": "5"},
        "TIERCEL_RESTART_LIMTI: no such setting; did you mean TIERCEL_RESTART_LIMIT?",
    ),
    "bad cron": ({"TIERCEL_CRON": "every day"}, "TIERCEL_CRON: ", "write five fields, for example '*/15 * * * *'"),
    "wrong type": ({"TIERCEL_INTERVAL_S": "often"}, "TIERCEL_INTERVAL_S: "),
    "too small": ({"TIERCEL_INTERVAL_S": "1"}, "TIERCEL_INTERVAL_S: ", "5"),
    "no truth value": ({"TIERCEL_DRY_RUN": "perhaps"}, "TIERCEL_DRY_RUN: "),
    "no time zone": ({"TIERCEL_TIMEZONE": "Europe/Atlantis"}, "TIERCEL_TIMEZONE: ", "use a name such as Europe/Berlin"),
    "missing program": ({"TIERCEL_CLAUDE_BIN": "/nowhere/claude"}, "TIERCEL_CLAUDE_BIN", "/nowhere/claude"),
    "missing secret file": (
        {"ANTHROPIC_API_KEY_FILE": "/nowhere/key"},
        "ANTHROPIC_API_KEY_FILE: cannot read /nowhere/key",
    ),
    "open to the world": (
        {"TIERCEL_WEB_HOST": "0.0.0.0", "TIERCEL_WEB_LOGIN": "false"},
        "TIERCEL_WEB_LOGIN: without login everybody who reaches 0.0.0.0 could act as its owner",
    ),
    "home is a file": ({"TIERCEL_HOME": "/etc/hostname"}, "/etc/hostname"),
}


def up(home: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`tiercel up` that must not start."""
    names = ("TIERCEL_WEB_PORT", "TIERCEL_TEMPORAL_PORT", "TIERCEL_TEMPORAL_UI_PORT")
    ports = {name: str(port) for name, port in zip(names, free_ports(3), strict=True)}
    own = {n: v for n, v in os.environ.items() if not n.startswith(("TIERCEL_", "ANTHROPIC_", "CLAUDE_"))}
    return subprocess.run(
        [sys.executable, "-c", "from cli.main import run; run()", "up"],
        cwd=REPOSITORY,
        env={**own, "TIERCEL_HOME": str(home), "TIERCEL_SCRIPTED": "true", **ports, **env},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_setting_stops_the_start_with_one_line(tmp_path: Path, name: str) -> None:
    env, *wanted = WRONG[name]
    ended = up(tmp_path / "home", env)
    said = (ended.stderr + ended.stdout).strip()
    assert ended.returncode not in {0, -9}
    for part in wanted:
        assert part in said
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 2, said


def test_taken_ports_are_named_with_their_holder_and_variable(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = up(tmp_path / "home", {"TIERCEL_WEB_PORT": port})
    said = ended.stderr + ended.stdout
    assert ended.returncode != 0
    assert f"{port}" in said
    assert "TIERCEL_WEB_PORT" in said
    assert f"pid {os.getpid()}" in said
    assert "Traceback" not in said


# ---------------------------------------------------------------- repositories


BROKEN = {
    "no-yaml": "---\nservices: [unclosed\n---\n",
    "wrong-types": "---\nversion: 1\nservices: 7\n---\n",
    "wrong-probe": "---\nversion: 1\nservices:\n  - {name: 'ha lf', kind: external, probes: [{kind: telepathy}]}\n---\n",
    "binary": "\udcff\udcfe\x00",
    "bomb": "---\na: &a [1,1,1,1,1,1,1,1,1]\n"
    + "".join(f"{c}: &{c} [{','.join(['*' + p] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True))
    + "---\n",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def among_broken() -> AsyncIterator[Theatre]:
    """A sound repository among broken ones."""
    async with theatre(SCENARIOS / "repairs.yaml", {**FAST, "interval_s": 3600}, start=False) as here:
        for name, text in BROKEN.items():
            folder = here.host.repos / name
            folder.mkdir()
            (folder / "CLAUDE-OPS.md").write_bytes(text.encode(errors="surrogateescape"))
        (here.host.repos / "dangling").symlink_to("/nowhere/at/all")
        (here.host.repos / "folder-as-manifest" / "CLAUDE-OPS.md").mkdir(parents=True)
        pipe = here.host.repos / "pipe"
        pipe.mkdir()
        os.mkfifo(pipe / "CLAUDE-OPS.md")
        await here.up()
        yield here


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.cli
@pytest.mark.isolation
async def test_broken_repositories_are_told_with_the_fix_and_the_sound_one_is_watched_and_repaired(
    among_broken: Theatre,
) -> None:
    here = among_broken
    story = await Story.begin(here, FAULTS["crashed"])
    assert (await story.ended()).state == IncidentState.RESOLVED
    problems = (await here.here.reads.inventory()).problems
    assert {p.repository for p in problems} >= {*BROKEN, "folder-as-manifest", "pipe"}
    assert all(p.message and p.fix for p in problems)
    assert "Traceback" not in here.log


# ---------------------------------------------------------------- a full disk


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A file system of its own. Needs root and the right to mount."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tiercel-e2e", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take the last byte."""
    ballast = folder / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 65_536)
    with suppress(OSError), ballast.open("ab", buffering=0) as file:
        while True:
            file.write(b"\0" * 512)
    return ballast


@pytest.mark.cli
@pytest.mark.isolation
async def test_a_full_disk_is_named_and_when_there_is_room_again_everything_goes_on() -> None:
    async with theatre(SCENARIOS / "repairs.yaml", start=False) as here:
        with small_disk(here.home, 300):
            await here.up()
            await here.all_up()
            ballast = fill(here.home)
            assert shutil.disk_usage(here.home).free < 65_536
            await FAULTS["crashed"].inject(here.host)
            await asyncio.sleep(15)
            assert here.process is not None
            assert here.process.returncode is None, here.log[-3000:]
            ballast.unlink()
            await here.until("web is up again", lambda: _is_up(here), 150)
            # The log's own file may have had no room for the line; terminal and message have.
            said = (here.home.parent / "up.log").read_text(encoding="utf-8")
            assert f"MB are left on the disk of {here.home}; free space there" in said
            assert "Traceback" not in said
            titles = [r.title for r in here.receiver.received]
            assert "Tiercel: the disk is full" in titles
            assert "Tiercel: the disk has room again" in titles
            await here.down()


async def _is_up(here: Theatre) -> bool:
    rows = await here.here.reads.services()
    state = await here.host.state("web")
    return state.running and any(s.id == "local/web" and s.status == "up" for s in rows)
