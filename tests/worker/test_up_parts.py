"""What `up` looks at before and beside its children: ports, who runs already, environments, outages."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from config.settings import Settings, load
from domain.errors import ConfigurationError
from domain.people import OFFER
from worker import supervisor_outage, up_endpoints, up_environment, up_ports, up_welcome
from worker.supervisor_outage import Outage
from worker.up_endpoints import Endpoints, UpLock
from worker.up_stack import readable

SECRET, TOKEN, CHANNEL = "sk-ant-api03-secretsecret", "sk-ant-oat01-tokentoken", "gotify://host/AbCdEf"

# ---------------------------------------------------------------- ports


def test_a_taken_port_is_named_with_its_holder_and_the_variable_to_set() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        found = up_ports.taken(load({"TIERCEL_WEB_PORT": str(port), "TEMPORAL_ADDRESS": "h:1"}))
        assert len(found) == 1
        assert f"port {port} (dashboard) is taken by pid {os.getpid()} (" in str(found[0])
        assert str(found[0]).endswith("stop it, or set TIERCEL_WEB_PORT to a free port")
    assert up_ports.taken(load({"TIERCEL_WEB_PORT": str(port), "TEMPORAL_ADDRESS": "h:1"})) == ()


def test_an_address_of_another_machine_is_told_as_that_and_not_as_a_taken_port() -> None:
    door = {"TIERCEL_GATEWAY_LISTEN": "203.0.113.1:9443", "TIERCEL_GATEWAY_CERT": "c", "TIERCEL_GATEWAY_CERT_KEY": "k"}
    settings = load({**door, "TIERCEL_WEB_HOST": "203.0.113.2", "TEMPORAL_ADDRESS": "h:1"})
    dashboard, others = map(str, up_ports.taken(settings))
    assert "203.0.113.2 is no address of this machine; set TIERCEL_WEB_HOST to one" in dashboard
    assert "203.0.113.1 is no address of this machine; set TIERCEL_GATEWAY_LISTEN to one" in others


def test_one_port_for_two_uses_is_told() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = load(
        {"TIERCEL_WEB_PORT": str(port), "TIERCEL_TEMPORAL_PORT": str(port), "TIERCEL_TEMPORAL_UI_PORT": str(port)}
    )
    assert [t.variable for t in up_ports.taken(settings)] == ["TIERCEL_TEMPORAL_PORT", "TIERCEL_TEMPORAL_UI_PORT"]


# ---------------------------------------------------------------- who runs here

ENDPOINTS = Endpoints(database_url="d", temporal_address="t", temporal_ui="u", web_url="w", scripted=True, pid=1)


def test_a_second_up_on_the_same_home_says_who_runs(tmp_path: Path) -> None:
    with (
        UpLock(tmp_path),
        pytest.raises(ConfigurationError, match=rf"already runs on .*pid {os.getpid()} .*set TIERCEL_HOME"),
        UpLock(tmp_path),
    ):
        pass
    with UpLock(tmp_path):
        pass


def test_addresses_are_readable_while_it_runs_and_not_after_it_was_killed(tmp_path: Path) -> None:
    with UpLock(tmp_path):
        assert up_endpoints.read(tmp_path) is None
        up_endpoints.write(tmp_path, ENDPOINTS)
        assert up_endpoints.read(tmp_path) == ENDPOINTS
        assert json.loads((tmp_path / "run" / "endpoints.json").read_text())["scripted"] is True
        assert (tmp_path / "run" / "endpoints.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "run" / "endpoints.json").exists()  # as after a SIGKILL
    assert up_endpoints.read(tmp_path) is None


def test_the_lock_is_free_after_its_holder_was_killed(tmp_path: Path) -> None:
    program = f"import sys, time; from pathlib import Path; from worker.up_endpoints import UpLock\nwith UpLock(Path({str(tmp_path)!r})):\n print(1, flush=True); time.sleep(60)"
    holder = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=Path(__file__).resolve().parents[2]
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(ConfigurationError, match=f"pid {holder.pid} "), UpLock(tmp_path):
        pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with UpLock(tmp_path):
        pass


# ---------------------------------------------------------------- the last lines

LINK = "http://127.0.0.1:8080/setup?code=K7QXA-2MPNB"


def said(link: str, **given: str) -> str:
    return "\n".join(up_welcome.lines(load(given), link))


def test_the_link_to_the_first_account_is_heard_and_said_again_at_the_end() -> None:
    offer = up_welcome.Offer()
    assert offer.hear("info    ready address=http://127.0.0.1:8080/") == "info    ready address=http://127.0.0.1:8080/"
    assert offer.link == ""
    assert offer.hear(f"{OFFER}{LINK}") == f"{OFFER}{LINK}"
    assert f"Open this link once: {LINK}" in said(offer.link)
    assert "Account" not in said("")


def test_the_last_lines_name_the_address_that_people_use_and_how_to_stop() -> None:
    text = said("", TIERCEL_PUBLIC_URL="https://home.example/ops/")
    assert "Dashboard  https://home.example/ops/\n" in text
    assert "Stop       Ctrl-C" in text
    as_json = said(LINK, TIERCEL_LOG_JSON="true").splitlines()
    assert as_json[:2] == ["dashboard: http://127.0.0.1:8080/", f"first account: {LINK}"]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"TIERCEL_REPOS_DIR": "/does/not/exist"}, "TIERCEL_REPOS_DIR"),
        ({}, "ANTHROPIC_API_KEY"),
        ({"ANTHROPIC_API_KEY": SECRET}, "TIERCEL_DRY_RUN=false"),
        ({"TIERCEL_SCRIPTED": "true"}, "TIERCEL_DRY_RUN=false"),
        ({"ANTHROPIC_API_KEY": SECRET, "TIERCEL_DRY_RUN": "false"}, "tiercel doctor"),
    ],
)
def test_the_next_step_is_the_first_thing_that_is_missing(given: dict[str, str], wanted: str, tmp_path: Path) -> None:
    settings = load({"TIERCEL_REPOS_DIR": str(tmp_path), **given})
    assert wanted in up_welcome.next_step(settings, "")
    assert "account" in up_welcome.next_step(settings, LINK)
    assert SECRET not in said("", **given)


# ---------------------------------------------------------------- environments


def outside(**more: str) -> dict[str, str]:
    given = {
        "PATH": "/bin",
        "ANTHROPIC_API_KEY": SECRET,
        "CLAUDE_CODE_OAUTH_TOKEN_FILE": "/run/secrets/token",
        "ANTHROPIC_AUTH_TOKEN": "other-credential",
        "TIERCEL_APPRISE_URLS": CHANNEL,
        "TIERCEL_PROBE_DB_PASSWORD": "probe-password",
        "TIERCEL_INTERVAL_S": "99",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
    }
    return {**given, **more}


def settings() -> Settings:
    return load(
        {
            "ANTHROPIC_API_KEY": SECRET,
            "CLAUDE_CODE_OAUTH_TOKEN": TOKEN,
            "TIERCEL_APPRISE_URLS": CHANNEL,
            "TIERCEL_INTERVAL_S": "60",
            "TIERCEL_HOME": "relative/home",
        }
    )


def test_only_the_gateway_gets_the_credential() -> None:
    gateway = up_environment.for_gateway(settings(), outside())
    assert (gateway["ANTHROPIC_API_KEY"], gateway["CLAUDE_CODE_OAUTH_TOKEN"]) == (SECRET, TOKEN)
    for env in (
        up_environment.for_worker(settings(), outside()),
        up_environment.for_web(settings(), outside()),
        up_environment.for_server(outside()),
    ):
        text = json.dumps(env)
        for secret in (SECRET, TOKEN, "other-credential", "/run/secrets/token"):
            assert secret not in text


def test_the_others_know_its_kind_only() -> None:
    for env in (up_environment.for_worker(settings(), outside()), up_environment.for_web(settings(), outside())):
        assert env["TIERCEL_CREDENTIAL"] == "api_key"
        assert load(env).credential_kind == "api_key"


def test_channels_and_probe_secrets_reach_the_worker_alone() -> None:
    worker = up_environment.for_worker(settings(), outside())
    assert worker["TIERCEL_APPRISE_URLS"] == CHANNEL
    assert worker["TIERCEL_PROBE_DB_PASSWORD"] == "probe-password"
    for env in (up_environment.for_gateway(settings(), outside()), up_environment.for_web(settings(), outside())):
        assert CHANNEL not in env.values()
        assert "probe-password" not in env.values()


def test_settings_survive_the_way_into_a_child_and_win_over_the_environment() -> None:
    inside = load(
        {
            k: v
            for k, v in up_environment.for_gateway(settings(), outside()).items()
            if k.startswith(("TIERCEL_", "ANTHROPIC_API", "CLAUDE_CODE_O"))
        }
    )
    assert inside.interval_s == 60
    assert inside.home == Path("relative/home").absolute()
    assert inside.dry_run is True
    assert up_environment.for_worker(settings().model_copy(update={"dry_run": False}), {})["TIERCEL_DRY_RUN"] == "false"
    assert up_environment.for_web(settings(), outside())["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:4318"


# ---------------------------------------------------------------- outages


def test_an_outage_is_due_once_after_its_time_and_recovery_only_after_it_was_told() -> None:
    outage = Outage(after_s=30)
    assert [outage.observe(answers=False, now=t) for t in (0, 10, 29.9)] == ["", "", ""]
    assert outage.observe(answers=True, now=29.95) == ""
    assert outage.observe(answers=False, now=40) == ""
    assert outage.observe(answers=False, now=70) == "down"
    assert outage.observe(answers=False, now=72) == "down"  # still due: nobody could be told
    outage.told = True
    assert outage.observe(answers=False, now=100) == ""
    assert outage.observe(answers=True, now=101) == "recovered"
    outage.told = False
    assert outage.observe(answers=True, now=102) == ""


async def test_one_message_per_outage_and_per_recovery_and_a_failed_one_is_repeated() -> None:
    up = {"Temporal": False}
    sent: list[str] = []
    broken = [True]

    async def notify(title: str, body: str) -> None:
        if broken:
            broken.clear()
            raise ConnectionError("the channel is down as well")
        assert body
        sent.append(title)

    async def temporal() -> bool:
        return up["Temporal"]

    async def postgres() -> bool:
        return True

    probes = {"Temporal": temporal, "Postgres": postgres}
    watching = asyncio.create_task(supervisor_outage.watch(probes, notify, after_s=0.05, every_s=0.01))

    async def until(n: int) -> None:
        while len(sent) < n:
            await asyncio.sleep(0.01)

    try:
        await asyncio.wait_for(until(1), 10)
        up["Temporal"] = True
        await asyncio.wait_for(until(2), 10)
        await asyncio.sleep(0.1)
    finally:
        watching.cancel()
    assert sent == ["Tiercel: Temporal is down", "Tiercel: Temporal is back"]


# ---------------------------------------------------------------- readable


def test_temporals_json_lines_become_words_and_others_stay() -> None:
    assert (
        readable('{"time":"x","level":"WARN","msg":"Failed to poll","error":"EOF","wf":"y"}')
        == "warn    Failed to poll error='EOF'"
    )
    for line in ("plain", "{not json", "[1]", '{"level":"WARN"}'):
        assert readable(line) == line
