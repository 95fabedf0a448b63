"""The command line and the environment of one Claude Code process. Nothing in them is secret.

Two fences are built here. A repository cannot configure the session: no settings source is read, only our MCP server is
known, the provider is ours. And the gate fails closed: `dontAsk` refuses every tool without an allow rule, `act` has no
allow rule, so only an explicit `allow` of the gate hook lets it run. A dead, slow or confused gate is a refusal.
"""

import json
from pathlib import Path
from typing import Any, Literal

from claude.gate import ACT_TOOL, READ_TOOLS, SERVER, gate_settings
from domain.agent import BUILT_IN_TOOLS, LOWEST_ACTING_TIER
from domain.base import Value
from domain.errors import FatalError
from domain.ids import SessionId
from domain.session import TierSettings

DOOR_URL = "http://127.0.0.1:9000"  # engines without a network of their own replace this text in argv and env

API_KEY_PLACEHOLDER = "sk-ant-api03-tiercel-placeholder-the-gateway-adds-the-real-one"
OAUTH_PLACEHOLDER = "sk-ant-oat01-tiercel-placeholder-the-gateway-adds-the-real-one"

MAX_SYSTEM_PROMPT_BYTES = 100_000  # one argument may hold 128 KiB

_MS = 1000
_RETRIES = 3  # about 4 s of back-off; longer waits belong to the workflow
_STREAM_IDLE_S = 60
_LONGEST_REQUEST_S = 120.0


class SessionPlan(Value):
    """What one process of a session shall do. All paths are as the process itself sees them."""

    session: SessionId
    attempt: int = 1
    tier: TierSettings
    resume: Literal["", "deferred", "interrupted"] = ""
    system_prompt: str
    prompt: str = ""
    report_schema: dict[str, Any]
    credential_kind: str  # api_key | oauth: the placeholder must be of the kind that the gateway will put in
    claude_config: Path
    add_dirs: tuple[Path, ...] = ()
    tools: tuple[str, ...] = BUILT_IN_TOOLS  # of the CLI's own
    acts: bool = True  # where its tier may
    domains: tuple[str, ...] = ()  # where it may go; without any there is no proxy to ask
    traceparent: str = ""
    otel: bool = False
    resource_attributes: dict[str, str] = {}


class Command(Value):
    """Arguments after the CLI's own path, the whole environment, and the text for stdin."""

    argv: tuple[str, ...]
    env: dict[str, str]
    stdin: str


def transcript_glob(session: SessionId) -> str:
    """Where, below CLAUDE_CONFIG_DIR, a session's transcript is. Without it `--resume` fails and `--session-id` works.

    A process that is killed in its first moments leaves none: look for it and choose by that, whatever is known of
    earlier attempts.
    """
    return f"projects/*/{session}.jsonl"


def command(plan: SessionPlan) -> Command:
    """Build the process. Raises FatalError where the plan cannot be run by the CLI."""
    if len(plan.system_prompt.encode()) > MAX_SYSTEM_PROMPT_BYTES:
        raise FatalError(
            f"The system prompt is over {MAX_SYSTEM_PROMPT_BYTES} bytes; shorten the owner's checks and playbooks."
        )
    if plan.resume != "deferred" and not plan.prompt.strip():
        raise FatalError("A session needs a prompt; only one that is parked on an approval resumes without.")
    # A deferred call is taken up by an empty prompt: any other text would be one more user turn.
    stdin = "" if plan.resume == "deferred" else plan.prompt
    return Command(argv=_argv(plan), env=_env(plan), stdin=stdin)


def _argv(plan: SessionPlan) -> tuple[str, ...]:
    tier = plan.tier
    identity = ("--resume", plan.session) if plan.resume else ("--session-id", plan.session)
    withheld = () if plan.acts and tier.tier >= LOWEST_ACTING_TIER else ("--disallowedTools", ACT_TOOL)
    return (
        "-p",
        *("--output-format", "stream-json", "--verbose"),
        *identity,
        *("--model", tier.model),
        *("--setting-sources", ""),
        *("--settings", gate_settings(f"{DOOR_URL}/gate").as_json()),
        "--strict-mcp-config",
        *("--mcp-config", json.dumps({"mcpServers": {SERVER: {"type": "http", "url": f"{DOOR_URL}/mcp"}}})),
        *("--permission-mode", "dontAsk"),
        *("--tools", ",".join(plan.tools)),
        *("--allowedTools", ",".join(READ_TOOLS)),
        *withheld,
        "--disable-slash-commands",
        *("--json-schema", json.dumps(plan.report_schema)),
        *("--max-turns", str(tier.max_turns)),
        *("--max-budget-usd", f"{tier.budget_usd:g}"),
        *("--system-prompt", plan.system_prompt),
        *(part for path in plan.add_dirs for part in ("--add-dir", str(path))),
    )


def _env(plan: SessionPlan) -> dict[str, str]:
    tier = plan.tier
    request_ms = int(min(_LONGEST_REQUEST_S, max(tier.timeout_s / 4, 5.0)) * _MS)
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(plan.claude_config),  # nothing of the person who runs the worker
        "LANG": "C.UTF-8",
        "CLAUDE_CONFIG_DIR": str(plan.claude_config),
        "ANTHROPIC_BASE_URL": f"{DOOR_URL}/model",
        **_placeholder(plan.credential_kind),
        "CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST": "1",
        **_proxy(plan),
        "DOCKER_HOST": f"tcp://{DOOR_URL.partition('://')[2]}/docker",  # looks only
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",  # one result line, and nothing that outlives it
        "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",  # a cut stream goes to the retries, it is not paid twice unseen
        "CLAUDE_CODE_MAX_RETRIES": str(_RETRIES),
        "API_TIMEOUT_MS": str(request_ms),
        "CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS": str(_STREAM_IDLE_S * _MS),
        "ENABLE_TOOL_SEARCH": "false",  # our MCP tools stand in the first request
        # The gateway keeps `act` open while the effect runs; the tier's wall clock is the bound.
        "MCP_TIMEOUT": str(30 * _MS),
        "MCP_TOOL_TIMEOUT": str(int(tier.timeout_s * _MS)),
        "CLAUDE_CODE_MCP_TOOL_IDLE_TIMEOUT": "0",
        **_telemetry(plan),
    }


def _proxy(plan: SessionPlan) -> dict[str, str]:
    """Programs agree on neither case: curl reads `http_proxy` only in small letters, others only the large ones."""
    own = {"NO_PROXY": "127.0.0.1,localhost"}
    if plan.domains:
        own |= {"HTTP_PROXY": DOOR_URL, "HTTPS_PROXY": DOOR_URL}
    return {**own, **{name.lower(): value for name, value in own.items() if plan.domains}}


def _placeholder(kind: str) -> dict[str, str]:
    match kind:
        case "api_key":
            return {"ANTHROPIC_API_KEY": API_KEY_PLACEHOLDER}
        case "oauth":
            return {"CLAUDE_CODE_OAUTH_TOKEN": OAUTH_PLACEHOLDER}
        case _:
            raise FatalError(
                "No credential for the model: set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN (from `claude setup-token`)."
            )


def _telemetry(plan: SessionPlan) -> dict[str, str]:
    if not plan.otel:
        return {}
    attributes = {"service.name": "claude-code", "session.id": plan.session, **plan.resource_attributes}
    return {
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "CLAUDE_CODE_ENHANCED_TELEMETRY_BETA": "1",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"{DOOR_URL}/otel",
        "OTEL_RESOURCE_ATTRIBUTES": ",".join(f"{name}={_percent(value)}" for name, value in sorted(attributes.items())),
        "CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS": str(_MS),
        "CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS": str(_MS),
        **({"TRACEPARENT": plan.traceparent, "CLAUDE_CODE_PROPAGATE_TRACEPARENT": "1"} if plan.traceparent else {}),
    }


def _percent(text: str) -> str:
    """W3C baggage form: what has a meaning in the list (comma, equals sign, blank...) is percent-encoded."""
    plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/:"
    return "".join(c if c in plain else "".join(f"%{b:02X}" for b in c.encode()) for c in text)
