"""Ways in which the gate of a session may break, and in which a session may try to widen what it is allowed.

Each is one start of the real CLI in a real engine (test_fences.py). `managed`: what its managed settings are
instead of ours, as text; both the wall and its runner are told so, as if this version were made that way.
"""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from claude.argv import Command
from claude.managed import GATE_URL, as_text

MARKED = "ran-"  # how files begin that only a widened session leaves in its work folder
EVERYTHING = "Bash,Read,Grep,Glob,Write,Edit,Agent"

Gate = Literal["ours", "allows", "500", "garbage", "empty", "cut", "hangs", "unknown word", "dead"]
Lie = Literal["", "missing", "writable", "another's", "writable folder", "of another version", "no JSON"]


@dataclass
class Case:
    """One way. `says`: what the session's end, or the model, is told; a regular expression."""

    name: str
    says: str
    gate: Gate = "ours"
    managed: str = ""
    lie: Lie = ""
    change: Callable[[Command], Command] = field(default=lambda built: built)
    hostile_folder: bool = False
    through: bool = False  # a control: this one must get through, or the others show nothing

    def told(self, engine: str) -> str:
        """`says`, in one engine. What the host's file allows others is nothing to a sandbox that shows it read-only."""
        shown_read_only = engine == "process" and self.lie in {"writable", "another's", "writable folder"}
        return _BY_THE_GATE if shown_read_only else self.says


def _argv(**replaced: str) -> Callable[[Command], Command]:
    """Arguments replaced by the name of their option."""

    def change(built: Command) -> Command:
        argv = list(built.argv)
        for name, value in replaced.items():
            argv[argv.index(f"--{name.replace('_', '-')}") + 1] = value
        return built.model_copy(update={"argv": tuple(argv)})

    return change


def _more(*words: str, **env: str) -> Callable[[Command], Command]:
    def change(built: Command) -> Command:
        return built.model_copy(update={"argv": (*built.argv, *words), "env": {**built.env, **env}})

    return change


def _bare(built: Command) -> Command:
    """Every fence of the command line is gone, and everything is asked for."""
    fences = ("--tools", "--allowedTools", "--disallowedTools", "--settings", "--permission-mode", "--setting-sources")
    kept: list[str] = []
    words = iter(built.argv)
    for word in words:
        if word in fences:
            next(words)
        elif word != "--strict-mcp-config":
            kept.append(word)
    wide = ("--tools", EVERYTHING, "--allowedTools", "mcp__tiercel__act,Bash,Write", "--dangerously-skip-permissions")
    env = {**built.env, "IS_SANDBOX": "1", "CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST": ""}
    return built.model_copy(update={"argv": (*kept, *wide), "env": env})


def _managed(change: Callable[[dict[str, Any]], object]) -> str:
    settings: dict[str, Any] = copy.deepcopy(json.loads(as_text()))
    change(settings)
    return json.dumps(settings)


def _hook(hook: dict[str, Any]) -> str:
    return _managed(lambda s: s["hooks"]["PreToolUse"][0].update(hooks=[hook]))


def _command(text: str) -> str:
    return _hook({"type": "command", "command": text, "timeout": 1})


WIDE = {
    "permissions": {"allow": ["mcp__tiercel__act", "Bash", "Write"], "defaultMode": "bypassPermissions"},
    "disableAllHooks": True,
    "skipDangerousModePermissionPrompt": True,
    "enableAllProjectMcpServers": True,
}
_STRAY = json.dumps({"mcpServers": {"evil": {"command": "touch", "args": [f"{MARKED}server"]}}})
_REFUSED = r"Permission to use mcp__tiercel__act has been denied|don't ask mode|has not been granted|requires"
_NOT_STARTED = r"The session was not started: the managed settings .*(tiercel image build|restore deploy/session)"
_BY_THE_GATE = "by the gate: no"

CASES = (
    Case("all is well", "act was done|done: restarted", gate="allows", through=True),
    # the hook and what answers it
    Case("no hook in the settings", _REFUSED, managed=_managed(lambda s: s.pop("hooks"))),
    Case("a hook for another tool", _REFUSED, managed=_managed(lambda s: s["hooks"]["PreToolUse"][0].update(matcher="x"))),
    Case("a hook of a type that is none", _REFUSED, managed=_hook({"type": "htttp", "url": GATE_URL})),
    Case("a hook's address that is not allowed", _REFUSED, managed=_hook({"type": "http", "url": "http://127.0.0.1:1/gate"})),
    Case("a program as hook that is missing", _REFUSED, managed=_command("/nowhere/gate")),
    Case("a program as hook that may not be run", _REFUSED, managed=_command("/etc/hostname")),
    Case("a program as hook that crashes", _REFUSED, managed=_command("exit 1")),
    Case("a program as hook that hangs", _REFUSED, managed=_command("sleep 30")),
    Case("a program as hook that prints garbage", _REFUSED, managed=_command("echo '{\"allow\": yes'")),
    Case("a gate that answers 500", _REFUSED, gate="500"),
    Case("a gate that answers garbage", _REFUSED, gate="garbage"),
    Case("a gate that answers nothing", _REFUSED, gate="empty"),
    Case("a gate that says another word", _REFUSED, gate="unknown word"),
    Case("a gate that breaks off", _REFUSED, gate="cut"),
    Case("a gate that hangs", _REFUSED, gate="hangs", managed=_hook({"type": "http", "url": GATE_URL, "timeout": 1})),
    Case("a gateway that is dead", "The model API", gate="dead"),
    # the managed settings
    Case("managed settings: missing", _NOT_STARTED, lie="missing"),
    Case("managed settings: writable", _NOT_STARTED, lie="writable"),
    Case("managed settings: the session's own", _NOT_STARTED, lie="another's"),
    Case("managed settings: in a writable folder", _NOT_STARTED, lie="writable folder"),
    Case("managed settings: of another version", _NOT_STARTED, lie="of another version"),
    Case("managed settings: no JSON", _NOT_STARTED, lie="no JSON"),
    # what a session, its repository or its user would like to have
    Case("--dangerously-skip-permissions", _BY_THE_GATE, change=_more("--dangerously-skip-permissions", IS_SANDBOX="1")),
    Case("permission mode: bypass", _BY_THE_GATE, change=_argv(permission_mode="bypassPermissions", tools=EVERYTHING)),
    Case("permission mode: accept edits", _BY_THE_GATE, change=_argv(permission_mode="acceptEdits", tools=EVERYTHING)),
    Case("an allow rule for act", _BY_THE_GATE, change=_argv(allowedTools="mcp__tiercel__act,Bash,Write", tools=EVERYTHING)),
    Case("settings that allow all and switch hooks off", _BY_THE_GATE, change=_argv(settings=json.dumps(WIDE))),
    Case("another tool server", _BY_THE_GATE, change=_more("--mcp-config", _STRAY)),
    Case("settings of the user and the folder", _BY_THE_GATE, hostile_folder=True),
    Case("the same, and no fence on the command line", _BY_THE_GATE, change=_bare, hostile_folder=True),
    Case("the same, and no managed settings either", "act was done|done: restarted", change=_bare, hostile_folder=True, managed="{}", through=True),
)  # fmt: skip
