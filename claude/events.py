"""What one line of the CLI's stream says, typed. Fields that we do not use are ignored, unknown kinds are kept."""

from typing import Any

from domain.base import Value


class Init(Value):
    """The session began (or began again after a resume)."""

    session_id: str = ""
    model: str = ""
    tools: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()  # code that runs inside the CLI
    servers: dict[str, str] = {}  # MCP server -> connected | failed | pending | ...
    server_errors: tuple[str, ...] = ()
    permission_mode: str = ""
    version: str = ""
    key_source: str = ""


class AssistantText(Value):
    """Words of the model; `error` marks words that the CLI wrote in its place after an API error."""

    text: str
    message_id: str = ""
    error: str = ""


class Thinking(Value):
    """The model's thinking, as far as it is shown."""

    text: str


class ToolUse(Value):
    """The model asks for a tool."""

    id: str
    name: str
    input: dict[str, Any] = {}


class ToolResult(Value):
    """What a tool gave back. `decision` is `deny` where the call was refused by a rule, mode or hook."""

    tool_use_id: str
    text: str
    is_error: bool = False
    decision: str = ""


class ApiRetry(Value):
    """A request to the model failed and is repeated. `status` is None where no HTTP answer came."""

    attempt: int = 0
    max_retries: int = 0
    delay_ms: float = 0.0
    status: int | None = None
    error: str = ""


class PermissionDenied(Value):
    """A tool call was refused before it ran."""

    tool: str
    tool_use_id: str = ""
    reason: str = ""


class ModelFallback(Value):
    """Another model answers from here on."""

    original: str = ""
    fallback: str = ""
    trigger: str = ""


class Result(Value):
    """The last word of a run. `has_output` tells "no structured output" from an empty one."""

    subtype: str = ""
    is_error: bool = False
    status: int | None = None  # HTTP status of the API error
    terminal_reason: str = ""
    text: str = ""
    errors: tuple[str, ...] = ()
    turns: int = 0
    duration_ms: float = 0.0
    has_output: bool = False
    structured_output: Any = None
    deferred: dict[str, Any] | None = None
    denials: tuple[str, ...] = ()  # names of refused tools
    usage: dict[str, Any] = {}
    cost_usd: float = 0.0  # cumulative over the resumes of a session
    process_cost_usd: float | None = None  # of this process alone, where the CLI tells it


class Unknown(Value):
    """A line of a kind that this version does not know. Never an error."""

    kind: str
    raw: str


class Garbage(Value):
    """A line that is no JSON object."""

    raw: str


Event = (
    Init
    | AssistantText
    | Thinking
    | ToolUse
    | ToolResult
    | ApiRetry
    | PermissionDenied
    | ModelFallback
    | Result
    | Unknown
    | Garbage
)
