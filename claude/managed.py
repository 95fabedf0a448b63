"""The CLI's managed settings: what no argument, repository, user or other program in a session can widen.

They lie at the CLI's own path for them, owned by root, in the session image and in the sandbox of the process engine.
`python -m claude.managed` writes `deploy/session/managed-settings.json` anew; a test compares the two.

Nothing is allowed here. A tool runs because the gate says so, or because the CLI itself takes it for harmless.
"""

import json
import sys
from typing import Literal

from pydantic import AnyHttpUrl, Field

from claude.argv import DOOR_URL
from claude.gate import HookMatcher, HookTable, HttpHook
from domain.base import Declared

GATE_URL = f"{DOOR_URL}/gate"

# A parked action is lost inside a sub-agent, and nothing of a session may go on after it.
NEVER = (
    *("Agent", "Task", "TaskStop", "TaskOutput", "Workflow", "SendMessage"),
    *("CronCreate", "CronDelete", "CronList", "ScheduleWakeup", "Monitor", "RemoteTrigger", "PushNotification"),
    *("EnterWorktree", "ExitWorktree", "EnterPlanMode", "ExitPlanMode", "AskUserQuestion", "Skill"),
)

# Each runs its own code beside every call. The last one guards an organization's rules against plugins that people
# bring. Nobody can bring one here, and it takes longer to start than all the rest of this file.
BUILT_IN_PLUGINS = ("cc-plugin-agents-md", "cc-plugin-plugin-authoring", "cc-plugin-privacy", "cc-plugin-sec-default")


class Permissions(Declared):
    """Rules and modes. There is no list of allowed tools on purpose."""

    defaultMode: Literal["dontAsk"] = "dontAsk"
    disableBypassPermissionsMode: Literal["disable"] = "disable"
    disableAutoMode: Literal["disable"] = "disable"
    deny: tuple[str, ...] = Field(default=NEVER, min_length=1)


class McpServer(Declared):
    """The servers whose address begins like this."""

    serverUrl: str = Field(pattern=r"^http://127\.0\.0\.1:\d+/\*$")


class ManagedSettings(Declared):
    """The whole file, in the CLI's own spelling. The CLI ignores a field of a wrong shape: so it is built from this."""

    permissions: Permissions = Permissions()
    allowManagedPermissionRulesOnly: Literal[True] = True
    allowManagedHooksOnly: Literal[True] = True
    allowManagedMcpServersOnly: Literal[True] = True
    allowedMcpServers: tuple[McpServer, ...] = Field(default=(McpServer(serverUrl=f"{DOOR_URL}/*"),), min_length=1)
    allowedHttpHookUrls: tuple[str, ...] = Field(default=(GATE_URL,), min_length=1)
    disableRemoteControl: Literal[True] = True
    disableWorkflows: Literal[True] = True
    disableAgentView: Literal[True] = True
    disableBundledSkills: Literal[True] = True
    disableSkillShellExecution: Literal[True] = True
    disableClaudeAiConnectors: Literal[True] = True
    disableCommandPluginSources: Literal[True] = True
    enabledPlugins: dict[str, Literal[False]] = Field(
        default={f"{name}@builtin": False for name in BUILT_IN_PLUGINS}, min_length=1
    )
    strictKnownMarketplaces: tuple[()] = ()  # plugins come from nowhere, also not from a folder
    hooks: HookTable = HookTable(
        PreToolUse=(HookMatcher(matcher="*", hooks=(HttpHook(url=AnyHttpUrl(GATE_URL)),)),),
    )


def as_text() -> str:
    """The file's content."""
    return json.dumps(ManagedSettings().model_dump(mode="json"), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_text())
