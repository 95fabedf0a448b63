"""The managed settings: the file is what the model says, and nothing of another shape passes for it."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from claude.argv import DOOR_URL
from claude.managed import GATE_URL, ManagedSettings, as_text

FILE = Path(__file__).resolve().parents[2] / "deploy" / "session" / "managed-settings.json"
RIGHT: dict[str, Any] = json.loads(as_text())


def test_the_file_is_what_the_model_says() -> None:
    assert FILE.read_text(encoding="utf-8") == as_text(), (
        "python -m claude.managed > deploy/session/managed-settings.json"
    )
    assert ManagedSettings.model_validate_json(as_text(), strict=True) == ManagedSettings()


def test_nothing_is_allowed_and_every_tool_goes_to_the_gate() -> None:
    assert "allow" not in RIGHT["permissions"]
    ((matcher,),) = (RIGHT["hooks"]["PreToolUse"],)
    assert (matcher["matcher"], [hook["url"] for hook in matcher["hooks"]]) == ("*", [GATE_URL])
    assert RIGHT["allowedHttpHookUrls"] == [GATE_URL]
    assert RIGHT["allowedMcpServers"] == [{"serverUrl": f"{DOOR_URL}/*"}]


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("permissions.allow", ["Bash"]),
        ("permissions.deny", "Agent"),
        ("permissions.deny", []),
        ("permissions.defaultMode", "bypassPermissions"),
        ("permissions.disableBypassPermissionsMode", "enable"),
        ("allowManagedHooksOnly", False),
        ("allowManagedPermissionRulesOnly", False),
        ("allowManagedMcpServersOnly", "yes"),
        ("allowedMcpServers", []),
        ("allowedMcpServers", [{"serverUrl": "https://example.org/*"}]),
        ("allowedMcpServers", [{"serverName": "tiercel"}]),
        ("hooks.PreToolUse", []),
        ("hooks.PreToolUsed", []),
        ("enabledPlugins", {}),
        ("enabledPlugins", {"cc-plugin-agents-md@builtin": True}),
        ("strictKnownMarketplaces", [{"source": "skills-dir"}]),
        ("disableAllHooks", True),
        ("env", {"ANTHROPIC_BASE_URL": "http://example.org"}),
    ],
)
def test_settings_that_the_cli_would_ignore_or_that_widen_are_refused(where: str, value: object) -> None:
    changed = copy.deepcopy(RIGHT)
    *folders, name = where.split(".")
    place = changed
    for folder in folders:
        place = place[folder]
    place[name] = value
    with pytest.raises(ValidationError):
        ManagedSettings.model_validate(changed)
