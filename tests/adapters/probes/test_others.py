"""command, container and unit probes, and what the runner does with a probe that breaks."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from adapters.probes.container_probe import judge
from domain.action import TargetState
from domain.errors import TransientError
from domain.health import CommandProbe, ContainerProbe, ProbeStatus, UnitProbe
from tests.adapters.probes.conftest import NOW, MakeRunner, service


def script(folder: Path, name: str, text: str, mode: int = 0o755) -> None:
    (folder / name).write_text("#!/bin/sh\n" + text)
    (folder / name).chmod(mode)


@pytest.mark.parametrize(
    ("text", "extra", "status", "words"),
    [
        ("echo all is well", {"contains": "well"}, ProbeStatus.OK, "exit code 0"),
        ("echo bad; exit 3", {}, ProbeStatus.FAIL, "exit code 3"),
        ("exit 3", {"expect_exit": 3}, ProbeStatus.OK, "exit code 3"),
        ("echo nothing", {"contains": "well"}, ProbeStatus.FAIL, "does not print"),
        ("sleep 30", {}, ProbeStatus.FAIL, "no answer within"),
        ("head -c 3000000 /dev/zero", {}, ProbeStatus.OK, "exit code 0"),
    ],
)
async def test_a_command_is_judged_by_exit_code_and_output(
    make_runner: MakeRunner, tmp_path: Path, text: str, extra: dict[str, Any], status: ProbeStatus, words: str
):
    script(tmp_path, "look", text)
    probe = CommandProbe(command="look", timeout_s=0.6, **extra)
    (result,) = await make_runner(commands_dir=tmp_path).probe(service(probe))
    assert result.status == status
    assert words in result.summary


async def test_arguments_are_passed_as_they_are_and_no_secret_is_inherited(
    make_runner: MakeRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    script(tmp_path, "show", 'printf "[%s]" "$@"; env')
    probe = CommandProbe(command="show", args=("$(id)", "; rm x", "a b"))
    (result,) = await make_runner(commands_dir=tmp_path).probe(service(probe))
    assert "[$(id)][; rm x][a b]" in result.evidence
    assert "secret" not in result.evidence


async def test_a_command_that_runs_too_long_is_killed_with_its_children(make_runner: MakeRunner, tmp_path: Path):
    script(tmp_path, "spawn", f"sleep 60 & echo $! > {tmp_path}/child; echo started; wait")
    await make_runner(commands_dir=tmp_path).probe(service(CommandProbe(command="spawn", timeout_s=0.5)))
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        try:
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"{child} still runs")


async def test_only_programs_of_the_commands_folder_run(make_runner: MakeRunner, tmp_path: Path):
    script(tmp_path, "plain", "echo x", mode=0o644)
    os.mkfifo(tmp_path / "fifo")
    probes = [CommandProbe(command=c) for c in ("missing", "plain", "fifo")]
    results = await make_runner(commands_dir=tmp_path).probe(service(*probes))
    off = await make_runner().probe(service(probes[0]))
    assert {r.status for r in (*results, *off)} == {ProbeStatus.ERROR}
    assert "TIERCEL_COMMANDS_DIR" in off[0].summary
    with pytest.raises(ValueError, match="without any '/'"):
        CommandProbe(command="../../bin/sh")


def container(**state: object) -> dict[str, Any]:
    base = {"Status": "running", "ExitCode": 0, "StartedAt": "2026-11-21T11:30:00.123456789Z"}
    return {"Id": "c" * 64, "Name": "/shop", "RestartCount": 0, "State": base | state, "HostConfig": {}}


@pytest.mark.parametrize(
    ("found", "status", "words"),
    [
        (container(), ProbeStatus.OK, "running"),
        (container(Health={"Status": "healthy"}), ProbeStatus.OK, "healthy"),
        (
            container(Health={"Status": "unhealthy", "Log": [{"ExitCode": 1, "Output": "no db"}]}),
            ProbeStatus.FAIL,
            "health",
        ),
        (container(Status="paused"), ProbeStatus.FAIL, "paused"),
        (container(Status="restarting"), ProbeStatus.FAIL, "again and again"),
        (container(Status="exited", ExitCode=137, OOMKilled=True), ProbeStatus.FAIL, "memory"),
        (container(Status="exited"), ProbeStatus.OK, "finished"),
        (container() | {"RestartCount": 9}, ProbeStatus.WARN, "restarted 9 times"),
        (container(StartedAt="2026-11-01T00:00:00Z") | {"RestartCount": 9}, ProbeStatus.OK, "running"),
        (
            container(Status="exited") | {"HostConfig": {"RestartPolicy": {"Name": "always"}}},
            ProbeStatus.FAIL,
            "exited with exit code 0",
        ),
    ],
)
def test_a_container_is_judged_from_what_the_engine_says(found: dict[str, Any], status: ProbeStatus, words: str):
    outcome = judge(ContainerProbe(container="shop"), found, NOW)
    assert outcome.status == status
    assert words in outcome.summary
    assert outcome.identity == "c" * 64


class Answers:
    """Stands for a node's manager and engine: gives what it was made with, raises faults, or never answers."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    async def look(self, node: str, unit: str) -> TargetState | None:
        return await self._give()

    async def inspect(self, node: str, container: str) -> dict[str, Any] | None:
        return await self._give()

    async def _give(self) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer == "never":
            await asyncio.sleep(60)
        return self.answer


RUNNING = TargetState(running=True, status="running", identity="7:99", started_at="2026-11-21T11:00:00Z")
FAILED = TargetState(running=False, status="failed", detail="exit code 1: page_size must be a number")


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (RUNNING, ProbeStatus.OK, "running"),
        (FAILED, ProbeStatus.FAIL, "page_size must be a number"),
        (None, ProbeStatus.FAIL, "knows no unit"),
        (TransientError("the service manager does not answer"), ProbeStatus.ERROR, "does not answer"),
        ("never", ProbeStatus.ERROR, "no answer within"),
        (RuntimeError("boom"), ProbeStatus.ERROR, "the probe itself broke"),
    ],
)
async def test_a_unit_is_judged_from_what_its_manager_says(
    make_runner: MakeRunner, answer: object, status: ProbeStatus, words: str
):
    (result,) = await make_runner(units=Answers(answer)).probe(service(UnitProbe(unit="web", timeout_s=0.2)))
    assert result.status == status
    assert words in result.summary


async def test_doubt_is_not_proof_where_nobody_can_be_asked(make_runner: MakeRunner):
    results = await make_runner().probe(service(UnitProbe(unit="web"), ContainerProbe(container="web")))
    assert [r.status for r in results] == [ProbeStatus.ERROR, ProbeStatus.ERROR]
    gone = await make_runner(containers=Answers(None)).probe(service(ContainerProbe(container="web")))
    assert gone[0].status == ProbeStatus.FAIL
