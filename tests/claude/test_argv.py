"""The command line and environment, without starting anything. What the CLI makes of them is in test_cli_*.py."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from claude.argv import API_KEY_PLACEHOLDER, DOOR_URL, OAUTH_PLACEHOLDER, Command, SessionPlan, command, transcript_glob
from claude.gate import ACT_TOOL, CliSettings, gate_settings
from domain.errors import FatalError
from domain.ids import SessionId
from domain.session import TierSettings

SESSION = SessionId("5b9f4a36-0d8f-5d0e-a2f0-0d4b1c2d3e4f")


def plan(tier: int = 2, **changes: Any) -> SessionPlan:
    base: dict[str, Any] = {
        "session": SESSION,
        "tier": TierSettings(
            tier=tier, name="t", model="claude-sonnet-5-5", timeout_s=900, max_turns=60, budget_usd=1.0
        ),
        "system_prompt": "be careful",
        "prompt": "look",
        "report_schema": {"type": "object"},
        "credential_kind": "api_key",
        "claude_config": Path("/session/config"),
    }
    return SessionPlan(**(base | changes))


def value(built: Command, flag: str) -> str:
    return built.argv[built.argv.index(flag) + 1]


def test_it_reads_no_settings_of_the_machine_or_the_repository():
    built = command(plan())
    assert value(built, "--setting-sources") == ""
    assert "--strict-mcp-config" in built.argv
    assert built.env["CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST"] == "1"
    assert not {"--dangerously-skip-permissions", "--bare", "--safe-mode"} & set(built.argv)


def test_act_has_no_allow_rule_at_any_tier():
    for tier in (1, 2, 3):
        built = command(plan(tier))
        assert ACT_TOOL not in value(built, "--allowedTools").split(",")
        assert value(built, "--permission-mode") == "dontAsk"


def test_the_gate_stands_before_act():
    settings = json.loads(value(command(plan()), "--settings"))
    (matcher,) = settings["hooks"]["PreToolUse"]
    assert matcher == {"matcher": ACT_TOOL, "hooks": [{"type": "http", "url": f"{DOOR_URL}/gate", "timeout": 60}]}


def test_settings_of_a_wrong_shape_are_refused_before_the_cli_could_ignore_them():
    good = json.loads(gate_settings(f"{DOOR_URL}/gate").as_json())
    assert CliSettings.model_validate(good)
    for bad in (
        {"hooks": {"PreToolUsed": []}},
        {"hooks": {"PreToolUse": []}},
        {"hooks": good["hooks"], "permissions": {}},
    ):
        with pytest.raises(ValidationError):
            CliSettings.model_validate(bad)
    with pytest.raises(ValidationError):
        gate_settings("not an address")


def test_a_resume_names_the_session_and_a_parked_one_gets_no_words():
    fresh, parked = command(plan()), command(plan(resume="deferred", prompt="ignored"))
    assert value(fresh, "--session-id") == SESSION
    assert "--resume" not in fresh.argv
    assert value(parked, "--resume") == SESSION
    assert "--session-id" not in parked.argv
    assert (fresh.stdin, parked.stdin) == ("look", "")


@pytest.mark.parametrize(
    ("kind", "present", "absent"),
    [
        ("api_key", ("ANTHROPIC_API_KEY", API_KEY_PLACEHOLDER), "CLAUDE_CODE_OAUTH_TOKEN"),
        ("oauth", ("CLAUDE_CODE_OAUTH_TOKEN", OAUTH_PLACEHOLDER), "ANTHROPIC_API_KEY"),
    ],
)
def test_it_holds_one_placeholder_of_the_owners_kind(kind: str, present: tuple[str, str], absent: str):
    env = command(plan(credential_kind=kind)).env
    assert env[present[0]] == present[1]
    assert absent not in env
    assert "ANTHROPIC_AUTH_TOKEN" not in env


def test_without_a_credential_it_says_which_to_set():
    with pytest.raises(FatalError, match="ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN"):
        command(plan(credential_kind=""))


def test_every_address_is_the_door():
    built = command(plan(otel=True, traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01"))
    texts = [*built.argv, *built.env.values()]
    assert all(text.count("http://") == text.count(DOOR_URL) for text in texts)
    assert not [text for text in texts if "https://" in text]


def test_there_is_a_proxy_only_where_there_is_somewhere_to_go():
    nowhere, somewhere = command(plan()).env, command(plan(domains=("api.example.org",))).env
    assert [name for name in nowhere if name.lower().endswith("_proxy")] == ["NO_PROXY"]
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        assert somewhere[name] == DOOR_URL
    assert somewhere["NO_PROXY"] == somewhere["no_proxy"] == "127.0.0.1,localhost"


def test_telemetry_only_where_it_is_wanted():
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    silent, told = command(plan(traceparent=trace)).env, command(plan(otel=True, traceparent=trace)).env
    assert not [name for name in silent if name.startswith("OTEL") or name == "TRACEPARENT"]
    assert told["TRACEPARENT"] == trace
    assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == f"{DOOR_URL}/otel"


def test_resource_attributes_cannot_break_out_of_their_list():
    env = command(plan(otel=True, resource_attributes={"tiercel.incident": "a,service.name=evil"})).env
    assert env["OTEL_RESOURCE_ATTRIBUTES"].split(",") == [
        "service.name=claude-code",
        f"session.id={SESSION}",
        "tiercel.incident=a%2Cservice.name%3Devil",
    ]


def test_an_endless_system_prompt_is_refused_before_the_kernel_does():
    with pytest.raises(FatalError, match="shorten"):
        command(plan(system_prompt="x" * 200_000))


@pytest.mark.parametrize("resume", ["", "interrupted"])
def test_a_session_without_words_is_refused(resume: str):
    with pytest.raises(FatalError, match="needs a prompt"):
        command(plan(prompt=" ", resume=resume))


def test_the_transcript_is_found_by_the_sessions_id():
    assert transcript_glob(SESSION) == f"projects/*/{SESSION}.jsonl"
