"""The settings in effect: where each value came from, and that no secret is among them."""

from pathlib import Path

import pytest

from config import effective
from config.settings import Settings, load
from worker import up_environment

SECRETS = {
    "ANTHROPIC_API_KEY": "sk-ant-api03-aaaaaaaaaaaaaaaa",
    "DATABASE_URL": "postgresql://ada:hunter2hunter2@db/tiercel",
    "TIERCEL_APPRISE_URLS": "ntfy://user:topsecret@ntfy.example/topic",
    "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic c2VjcmV0LXNlY3JldA==",
}


def shown(env: dict[str, str], *, whole: bool = True) -> dict[str, effective.Shown]:
    return {row.variable: row for row in effective.effective(load(env), env, whole=whole)}


def test_every_setting_is_in_a_group_and_says_what_it_does() -> None:
    rows = shown({})
    assert len(rows) == len(Settings.model_fields) - 1 + len(effective.telemetry.VARIABLES)
    assert all(row.group and row.meaning for row in rows.values())
    assert set(effective.GROUPS) <= set(Settings.model_fields)
    assert {row.group for row in rows.values()} == {*effective.GROUPS.values(), effective.TELEMETRY}


def test_a_value_tells_where_it_came_from(tmp_path: Path) -> None:
    file = tmp_path / "urls"
    file.write_text(SECRETS["TIERCEL_APPRISE_URLS"])
    rows = shown({"TIERCEL_INTERVAL_S": "60", "TIERCEL_APPRISE_URLS_FILE": str(file), "TIERCEL_CRON": ""})
    assert (rows["TIERCEL_INTERVAL_S"].value, rows["TIERCEL_INTERVAL_S"].source) == ("60", "environment")
    assert rows["TIERCEL_INTERVAL_S"].default == "3600"
    assert (rows["TIERCEL_APPRISE_URLS"].value, rows["TIERCEL_APPRISE_URLS"].source) == (effective.HIDDEN, "file")
    assert (rows["TIERCEL_CRON"].value, rows["TIERCEL_CRON"].source) == ("", "default")
    assert rows["ANTHROPIC_API_KEY"].value == ""


def test_no_secret_is_in_any_form_of_it() -> None:
    env = {
        **SECRETS,
        "TIERCEL_MODEL_URL": "https://me:passw0rd99@proxy.example/v1",
        "TIERCEL_PUBLIC_URL": "https://ops.example/?api_key=abcdefghijkl",
    }
    rows = tuple(shown(env).values())
    text = repr(rows) + effective.as_variables(rows)
    for secret in ("aaaaaaaa", "hunter2", "topsecret", "c2VjcmV0", "passw0rd99", "abcdefghijkl"):
        assert secret not in text
    assert {row.variable for row in rows if row.value == effective.HIDDEN} == set(SECRETS)


def test_the_dashboard_is_told_what_it_may_not_see() -> None:
    outside = {**SECRETS, "TIERCEL_RETENTION_DAYS": "30"}
    inside = load(outside).model_copy(update={"temporal_address": "127.0.0.1:7233"})
    env = up_environment.for_web(inside, outside)
    assert not any(secret in repr(env) for secret in ("sk-ant", "topsecret"))
    rows = {row.variable: row for row in effective.effective(load(env), env, whole=False)}
    assert rows["ANTHROPIC_API_KEY"].value == rows["TIERCEL_APPRISE_URLS"].value == effective.HIDDEN
    assert rows["CLAUDE_CODE_OAUTH_TOKEN"].value == ""
    assert rows["TEMPORAL_ADDRESS"].source == "up"
    assert rows["TIERCEL_RETENTION_DAYS"].source == "environment"
    assert rows["TIERCEL_LOG_LEVEL"].source == "default"


def test_a_process_that_was_told_nothing_says_so() -> None:
    assert "not known to this process" in shown({}, whole=False)["TIERCEL_APPRISE_URLS"].value


@pytest.mark.parametrize("value", ["two\nlines # and more", "a b"])
def test_the_download_can_be_read_again_line_by_line(value: str) -> None:
    env = {"TIERCEL_DOCKER_HOST": value, "TIERCEL_INTERVAL_S": "60"}
    text = effective.as_variables(tuple(shown(env).values()))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines == ["TIERCEL_INTERVAL_S=60", f"TIERCEL_DOCKER_HOST={' '.join(value.split())}"]
