"""The doctor: each thing that stops people is named, with its fix."""

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from config.ports import free_ports
from config.settings import Settings, load
from domain.errors import ConfigurationError
from worker import doctor_access, doctor_machine, doctor_parts, doctor_settings
from worker.doctor import Finding, examine, examine_environment
from worker.up_endpoints import Endpoints, UpLock, write


def settings(tmp_path: Path, **values: object) -> Settings:
    return load({"TIERCEL_HOME": str(tmp_path / "home"), **{k: str(v) for k, v in values.items()}})


def worst(findings: object) -> Finding:
    assert isinstance(findings, list | tuple)
    order = {"ok": 0, "warn": 1, "fail": 2}
    return max((f for f in findings if isinstance(f, Finding)), key=lambda f: order[f.level])


async def test_everything_is_examined_changes_nothing_and_fits_into_json(tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    findings = await examine(
        settings(tmp_path, TIERCEL_WEB_PORT=free_ports(1)[0], TEMPORAL_ADDRESS=f"127.0.0.1:{free_ports(1)[0]}")
    )
    assert sorted(tmp_path.iterdir()) == before
    names = [f.name for f in findings]
    for name in (
        "python",
        "packages",
        "user",
        "disk",
        "memory",
        "open files",
        "clock",
        "home",
        "ports",
        "credential",
        "prices",
        "claude cli",
        "temporal",
        "postgres",
    ):
        assert name in names
    assert not [f for f in findings if "could not be examined" in f.cause]
    assert [f for f in findings if f.level != "ok" and not f.fix] == []
    assert json.loads(json.dumps([f.model_dump() for f in findings]))


async def test_wrong_settings_are_findings_with_variable_and_fix() -> None:
    findings = await examine_environment({"TIERCEL_TIMEZONE": "Mars", "TIERCEL_HOEM": "/x"})
    assert [(f.name, f.level) for f in findings] == [("TIERCEL_HOEM", "fail"), ("TIERCEL_TIMEZONE", "fail")]
    assert "TIERCEL_HOME" in findings[0].fix
    assert "Europe/Berlin" in findings[1].fix


async def test_a_check_that_breaks_is_a_finding_and_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_machine.shutil, "disk_usage", lambda _path: 1 / 0)
    findings = await examine(settings(tmp_path, TEMPORAL_ADDRESS=f"127.0.0.1:{free_ports(1)[0]}"))
    broken = [f for f in findings if f.name == "disk"]
    assert broken[0].level == "warn"
    assert "division by zero" in broken[0].cause
    assert "memory" in [f.name for f in findings]


# ---------------------------------------------------------------- machine


def test_packages_out_of_step_are_named() -> None:
    lock = "pydantic==0.1 \\\n    --hash=sha256:x\nnowhere-to-be-found==1.0\nwindows-only==2 ; sys_platform == 'win32' \\\n    --hash\n"
    first, second = doctor_machine.differences(lock)
    assert first.startswith("pydantic ")
    assert first.endswith(" instead of 0.1")
    assert second == "nowhere-to-be-found is missing"


@pytest.mark.parametrize(("free", "level"), [(500 << 20, "fail"), (3 << 30, "warn"), (50 << 30, "ok")])
async def test_a_disk_that_fills_up_is_told_before_it_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: str
) -> None:
    usage = doctor_machine.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(doctor_machine.shutil, "disk_usage", lambda _path: usage._replace(free=free))
    assert (await doctor_machine.disk(settings(tmp_path)))[0].level == level


async def test_a_clock_before_the_installation_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_machine.time, "time", lambda: 0.0)
    assert worst(await doctor_machine.clock(settings(tmp_path))).level == "fail"


# ---------------------------------------------------------------- settings


async def test_a_taken_port_names_its_holder(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        (finding,) = await doctor_settings.ports(settings(tmp_path, TIERCEL_WEB_PORT=port, TEMPORAL_ADDRESS="h:1"))
    assert (finding.name, finding.level) == (f"port {port}", "fail")
    assert f"pid {os.getpid()}" in finding.cause
    assert "TIERCEL_WEB_PORT" in finding.fix


async def test_ports_of_a_running_tiercel_are_no_problem(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    with UpLock(chosen.home):
        write(
            chosen.home,
            Endpoints(database_url="", temporal_address="", temporal_ui="", web_url="http://x", scripted=False, pid=7),
        )
        (finding,) = await doctor_settings.ports(chosen)
    assert finding.level == "ok"
    assert "pid 7" in finding.cause


async def test_missing_and_empty_repository_folders_say_what_to_do(tmp_path: Path) -> None:
    repos = tmp_path / "repos"
    (finding,) = await doctor_settings.repositories(settings(tmp_path, TIERCEL_REPOS_DIR=repos))
    assert (finding.level, "TIERCEL_REPOS_DIR" in finding.fix) == ("warn", True)
    repos.mkdir()
    (finding,) = await doctor_settings.repositories(settings(tmp_path, TIERCEL_REPOS_DIR=repos))
    assert "CLAUDE-OPS.md" in finding.fix
    (repos / "one").mkdir()
    (finding,) = await doctor_settings.repositories(settings(tmp_path, TIERCEL_REPOS_DIR=repos))
    assert finding.level == "ok"


async def test_a_model_without_a_price_is_named_with_its_tier_and_what_to_set(tmp_path: Path) -> None:
    (good,) = await doctor_settings.prices(settings(tmp_path))
    assert good.level == "ok"
    dated = settings(tmp_path, TIERCEL_TIER1_MODEL="claude-haiku-4-5-20251001")
    assert (await doctor_settings.prices(dated))[0].level == "ok"
    unknown = settings(tmp_path, TIERCEL_TIER2_MODEL="claude-sonet-5-5", TIERCEL_TIER3_MODEL="my-own-model")
    second, third = await doctor_settings.prices(unknown)
    assert {second.level, third.level} == {"fail"}
    assert "claude-sonet-5-5" in second.cause
    assert "TIERCEL_TIER2_MODEL" in second.fix
    assert "claude-sonnet-5-5" in second.fix
    assert "TIERCEL_TIER3_MODEL" in third.fix


@pytest.mark.parametrize(
    ("variables", "level", "says"),
    [
        ({}, "warn", "none"),
        ({"ANTHROPIC_API_KEY": "sk-ant-api03-x"}, "ok", "API key"),
        ({"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-x"}, "ok", "subscription token"),
        ({"ANTHROPIC_API_KEY": "sk-ant-oat01-x"}, "fail", "ANTHROPIC_API_KEY holds a subscription token"),
        ({"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-api03-x"}, "fail", "CLAUDE_CODE_OAUTH_TOKEN holds an API key"),
        ({"TIERCEL_SCRIPTED": "true"}, "ok", "scripted"),
    ],
)
async def test_the_credential_is_named_by_kind_and_never_shown(
    tmp_path: Path, variables: dict[str, str], level: str, says: str
) -> None:
    (finding,) = await doctor_settings.credential(settings(tmp_path, **variables))
    assert finding.level == level
    assert says in finding.cause
    assert "sk-ant" not in finding.cause + finding.fix


async def test_a_channel_that_cannot_be_read_is_told_without_showing_it(tmp_path: Path) -> None:
    finding = worst(
        await doctor_settings.channels(settings(tmp_path, TIERCEL_APPRISE_URLS="nonsense://user:swordfish@host"))
    )
    assert finding.level == "fail"
    assert "swordfish" not in finding.cause + finding.fix
    assert worst(await doctor_settings.channels(settings(tmp_path))).level == "warn"
    assert (
        worst(await doctor_settings.channels(settings(tmp_path, TIERCEL_APPRISE_URLS="json://127.0.0.1:9/"))).level
        == "ok"
    )


def test_secrets_that_others_may_read_are_told(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("x")
    file.chmod(0o644)
    (finding,) = doctor_settings.secret_files({"ANTHROPIC_API_KEY_FILE": str(file)})
    assert finding.fix == f"chmod 600 {file}"
    file.chmod(0o600)
    assert doctor_settings.secret_files({"ANTHROPIC_API_KEY_FILE": str(file)}) == []


# ---------------------------------------------------------------- parts


async def test_the_locked_cli_answers_with_its_version(tmp_path: Path) -> None:
    (finding,) = await doctor_parts.claude(settings(tmp_path))
    assert finding.level == "ok", finding
    assert "lock file" in finding.cause


async def test_another_cli_is_told(tmp_path: Path) -> None:
    other = tmp_path / "claude"
    other.write_text("#!/bin/sh\necho '1.0.0 (Claude Code)'\n")
    other.chmod(0o755)
    (finding,) = await doctor_parts.claude(settings(tmp_path, TIERCEL_CLAUDE_BIN=other))
    assert finding.level == "warn"
    assert "1.0.0" in finding.cause
    (finding,) = await doctor_parts.claude(settings(tmp_path, TIERCEL_CLAUDE_BIN=tmp_path / "missing"))
    assert finding.level == "fail"


@pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap needs Linux")
async def test_without_any_isolation_it_says_what_stops_and_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.containers.bubblewrap.find", lambda _cache: None)
    nowhere = settings(tmp_path, TIERCEL_DOCKER_HOST=f"tcp://127.0.0.1:{free_ports(1)[0]}")
    finding = worst(await doctor_parts.isolation(nowhere))
    assert finding.level == "fail"
    assert "tiers 2 and 3 refuse to start" in finding.cause
    assert "apt install bubblewrap" in finding.fix
    assert worst(await doctor_parts.isolation(nowhere.model_copy(update={"scripted": True}))).level == "warn"


async def test_a_given_temporal_or_postgres_that_does_not_answer_is_told(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    (finding,) = await doctor_parts.temporal(settings(tmp_path, TEMPORAL_ADDRESS=address))
    assert (finding.level, address in finding.cause) == ("fail", True)
    (finding,) = await doctor_parts.postgres(settings(tmp_path, DATABASE_URL=f"postgresql://u:swordfish@{address}/x"))
    assert finding.level == "fail"
    assert "swordfish" not in finding.cause


async def test_data_of_a_major_that_is_not_here_is_told(tmp_path: Path) -> None:
    data = tmp_path / "home" / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("13\n")
    (finding,) = await doctor_parts.postgres(settings(tmp_path))
    assert finding.level == "fail"
    assert "made by PostgreSQL 13" in finding.cause


async def test_the_temporal_of_the_lock_file_is_found_and_its_absence_has_a_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_the_wheel = settings(tmp_path, TIERCEL_TEMPORAL_SOURCE="wheel")
    (finding,) = await doctor_parts.temporal(of_the_wheel)
    assert (finding.level, "wheel: " in finding.cause) == ("ok", True)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    (finding,) = await doctor_parts.temporal(of_the_wheel)
    assert (finding.level, "./dev setup" in finding.fix) == ("fail", True)


async def test_an_open_door_is_named(tmp_path: Path, pool: object, database_url: str) -> None:
    off = worst(await doctor_access.accounts(settings(tmp_path, TIERCEL_WEB_LOGIN="false")))
    assert (off.level, "login is off" in off.cause) == ("warn", True)
    nobody = worst(await doctor_access.accounts(settings(tmp_path, DATABASE_URL=database_url)))
    assert (nobody.level, nobody.fix) == ("warn", "tiercel user code, and open its link")
    for plain in ({"TIERCEL_WEB_HOST": "0.0.0.0"}, {"TIERCEL_PUBLIC_URL": "http://nas.lan"}):
        found = worst(await doctor_access.addresses(settings(tmp_path, **plain)))
        assert (found.level, "plain http" in found.cause) == ("warn", True)
    for good in ({}, {"TIERCEL_WEB_HOST": "0.0.0.0", "TIERCEL_PUBLIC_URL": "https://ops.example"}):
        assert worst(await doctor_access.addresses(settings(tmp_path, **good))).level == "ok"


def test_no_login_is_refused_where_others_can_reach_the_dashboard() -> None:
    with pytest.raises(ConfigurationError, match="everybody who reaches 0.0.0.0 could act as its owner"):
        load({"TIERCEL_WEB_HOST": "0.0.0.0", "TIERCEL_WEB_LOGIN": "false"})
