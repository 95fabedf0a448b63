"""disk_usage, processes, unit_status, journal, compose_config; who is offered what; what the audit says."""

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.actions.unit_client import UnitClient
from domain.agent import Granted
from domain.health import UnitProbe
from domain.inventory import ComposeRef, Inventory, ServiceKind
from gateway.looking.sight import NotHereError
from gateway.looking.units import Journal, journal_argv, status_argv, unit_of
from tests.support import gateway
from tests.support.looking import SECRET, declaring, looking_room, looks, use

COMPOSE = """
services:
  web:
    image: "nginx:${TAG:-1}"
    command: ["serve", "--api-key", "flag-secret-1", "--password=${DB_PASSWORD}", "--mode", "${MODE}"]
    environment: {DB_URL: "postgres://u:url-secret-1@db/x", COLOUR: blue-value}
    labels: ["app.token=label-secret-1"]
    volumes: ["./conf:/etc/nginx:ro", "/srv/keys/id_rsa:/key:ro"]
    healthcheck: {test: ["CMD", "curl", "-H", "Authorization: Bearer bearer-secret-123456", "http://localhost"]}
    secrets: [db]
  other: {image: x, environment: {OTHER_SECRET: other-secret-1}}
"""


async def test_disks_and_programs_are_listed_without_arguments(tmp_path: Path):
    sleeper = await asyncio.create_subprocess_exec("sleep", "7531")
    try:
        async with looking_room(tmp_path, declaring()) as room:
            fault, disks = await use(room, "disk_usage", {}, tier=1)
            assert not fault, disks
            assert " / (" in disks
            fault, programs = await use(room, "processes", {"by": "memory", "count": 50})
            assert not fault
            assert "python" in programs
            assert "7531" not in programs, "arguments are never shown"
            assert (await use(room, "processes", {}, tier=1))[0], "tier 1 has no need of it"
            assert (await use(room, "processes", {"by": "environment"}))[0]
            assert (await use(room, "disk_usage", {"path": "/root"}))[0]
    finally:
        sleeper.kill()
        await sleeper.wait()


async def test_a_machine_without_systemd_says_so_plainly(tmp_path: Path):
    unit = declaring(kind=ServiceKind.UNIT, target="shop.service")
    async with looking_room(tmp_path, unit, root=tmp_path) as room:
        fault, text = await use(room, "journal", {"service": "local/shop"})
        assert fault
        assert "does not run systemd" in text
        fault, text = await use(room, "unit_status", {"service": "local/shop"})
        assert fault
        assert "TIERCEL_UNITS_SOCKET" in text
    async with looking_room(tmp_path, unit, units=UnitClient({"local": tmp_path / "nobody.sock"})) as room:
        fault, text = await use(room, "unit_status", {"service": "local/shop"})
        assert fault
        assert "does not answer" in text


HOSTILE_UNITS = (
    "-H root@evil", "--root=/", "shop.service --vacuum-time=1s", "shop;id", "$(id)", "../../etc/shadow", "a b", "a\nb", "*", "x*",
    "--file=/etc/shadow", "-M.host", "shop,other", "é", "a" * 300,
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_UNITS)
def test_what_a_repository_calls_a_unit_is_never_an_option(name: str):
    for service in (declaring(kind=ServiceKind.UNIT, target=name), declaring(UnitProbe(unit=name))):
        with pytest.raises(NotHereError):
            unit_of(Inventory(services=(service,)), "local/shop")


def test_a_session_chooses_numbers_only_and_never_a_word_of_the_command():
    asked = Journal(service="local/shop", lines=20, minutes=5, contains="--file=/etc/shadow $(id)")
    argv = journal_argv("shop@1.service", asked, datetime(2026, 11, 21, tzinfo=UTC))
    assert argv == (
        "journalctl", "--no-pager", "--quiet", "--utc", "--output=short-iso", "--unit=shop@1.service", "--lines=2000",
        "--since=@1795218900",
    )  # fmt: skip
    assert status_argv("shop.service")[-2:] == ("--", "shop.service")


async def test_hostile_arguments_of_the_journal_are_refused_before_anything_runs(tmp_path: Path):
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    unit = declaring(kind=ServiceKind.UNIT, target="shop.service")
    async with looking_room(tmp_path, unit, root=tmp_path) as room:
        for extra in (
            {"service": "--file=/etc/shadow"}, {"service": "local/shop", "lines": "1 --file=/x"}, {"service": "local/shop", "unit": "-M"},
            {"service": "local/shop", "minutes": -1}, {"service": "local/shop", "lines": 10**9}, {"service": "local/other"},
            {"service": "local/shop", "since": "--directory=/"}, {"service": ["local/shop"]},
        ):  # fmt: skip
            assert (await use(room, "journal", extra))[0], extra


async def test_a_compose_definition_is_shown_without_any_value_that_could_be_secret(tmp_path: Path):
    repository = tmp_path / "repos" / "stack"
    (repository / "stack").mkdir(parents=True)
    (repository / "stack" / "compose.yml").write_text(COMPOSE)
    (repository / "stack" / ".env").write_text("DB_PASSWORD=env-secret-1\nTAG=1.27\nMODE=fast\n")
    service = declaring(
        repository="stack",
        compose=ComposeRef(project="p", service="web", file=str(repository / "stack" / "compose.yml")),
    )
    async with looking_room(tmp_path, service, repos_dir=tmp_path / "repos") as room:
        fault, text = await use(room, "compose_config", {"service": "local/shop"}, tier=1)
    assert not fault, text
    assert "nginx:1.27" in text
    assert '"fast"' in text
    assert '"COLOUR=***"' in text
    for secret in (
        "flag-secret-1",
        "env-secret-1",
        "url-secret-1",
        "blue-value",
        "label-secret-1",
        "id_rsa",
        "bearer-secret",
        "other-secret",
    ):
        assert secret not in text, secret


@pytest.mark.parametrize(
    ("repository", "file"),
    [
        ("stack", "/etc/passwd"), ("stack", "{repos}/other/compose.yml"), ("stack", "{repos}/stack/../other/compose.yml"),
        ("stack", "{repos}/stack/link.yml"), ("../other", "{repos}/other/compose.yml"), ("", "{repos}/other/compose.yml"),
        (".", "{repos}/other/compose.yml"), ("stack", "{repos}/stack/pipe"), ("stack", "{repos}/stack/folderlink/compose.yml"),
        ("stack", "{repos}/stack/none.yml"), ("/etc", "/etc/passwd"),
    ],
)  # fmt: skip
async def test_a_compose_file_lies_in_its_own_repository_or_is_not_read(tmp_path: Path, repository: str, file: str):
    repos = tmp_path / "repos"
    for name in ("stack", "other"):
        (repos / name).mkdir(parents=True)
    (repos / "other" / "compose.yml").write_text(COMPOSE)
    (repos / "stack" / "link.yml").symlink_to(repos / "other" / "compose.yml")
    (repos / "stack" / "folderlink").symlink_to(repos / "other")
    os.mkfifo(repos / "stack" / "pipe")
    ref = ComposeRef(project="p", service="web", file=file.format(repos=repos))
    async with looking_room(tmp_path, declaring(repository=repository, compose=ref), repos_dir=repos) as room:
        fault, text = await use(room, "compose_config", {"service": "local/shop"})
    assert fault, text
    assert "nginx" not in text


async def test_a_session_is_offered_what_its_tier_its_agent_and_the_inventory_have(tmp_path: Path):
    unit = declaring(UnitProbe(unit="shop"))
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}

    async def names(room: gateway.Room, **door: object) -> list[str]:
        async with gateway.through(await room.open(**door)) as client, client.post("/mcp", json=message) as reply:  # pyright: ignore[reportArgumentType]
            return [t["name"] for t in (await reply.json())["result"]["tools"]]

    async with looking_room(tmp_path, unit) as room:
        assert await names(room, tier=1) == ["services", "probe", "logs", "disk_usage", "unit_status", "journal"]
        assert await names(room, tier=2) == [
            "services",
            "probe",
            "logs",
            "disk_usage",
            "processes",
            "unit_status",
            "journal",
            "act",
        ]
        assert await names(room, tier=1, granted=Granted(tools=("probe", "nonsense"))) == ["probe"]
        door = await room.open(tier=3, granted=Granted(tools=("probe",), withheld={"disk_usage": "not for it"}))
        fault, text = await use(room, "disk_usage", {}, door=door)
        assert fault
        assert "disk_usage is not offered: not for it" in text
        await room.written()
        [(action, tool, _)] = looks(room)
        assert (action, tool) == ("look_refused", "disk_usage")


async def test_a_look_is_in_the_audit_without_secrets_and_repetitions_once(tmp_path: Path):
    async with looking_room(tmp_path, declaring()) as room:
        door = await room.open(tier=2)
        for _ in range(20):
            await use(room, "probe", {"service": f"x {SECRET}"}, door=door)
        await use(room, "http_get", {"url": "http://u:pass@x/?token=abcdefgh"}, door=door)
        await room.keeper.close(door.session)
        await room.written()
        found = looks(room)
    assert len(found) == 3
    assert SECRET not in json.dumps(list(room.records.audits.values()))
    assert "abcdefgh" not in json.dumps(list(room.records.audits.values()))
    assert "u:pass" not in json.dumps(list(room.records.audits.values()))


@pytest.mark.parametrize(("tool", "program"), [("journal", "journalctl"), ("unit_status", "systemctl")])
async def test_the_real_programs_are_asked_and_what_they_lack_is_said(tmp_path: Path, tool: str, program: str):
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    unit = declaring(kind=ServiceKind.UNIT, target="no-such-unit-of-tiercel.service")
    async with looking_room(tmp_path, unit, root=tmp_path) as room:
        fault, text = await use(room, tool, {"service": "local/shop"})
    said = ("(none)", "LoadState=not-found", f"{program} says: ", f"There is no {program}")
    assert any(words in text for words in said), text
    assert fault == (said[2] in text or said[3] in text)
