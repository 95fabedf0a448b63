"""Where the Claude Code CLI is: the owner's choice, or the one that the lock file brings."""

import os
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

from config.settings import Settings
from domain.base import Value
from domain.errors import ConfigurationError

LOCKED_VERSION = "2.1.329"  # what the contract tests were passed with
_WHEEL = "claude_agent_sdk"  # brings the binary; its Python code is not used
_VERSION = re.compile(r"\d+\.\d+\.\d+\S*")


class ClaudeBinary(Value):
    """One executable CLI. `source` is `TIERCEL_CLAUDE_BIN` or `lock file`."""

    path: Path
    version: str
    source: str


def find(settings: Settings) -> ClaudeBinary:
    """The CLI to run. Raises ConfigurationError with the fix where there is none."""
    if settings.claude_bin:
        return _chosen(settings.claude_bin.expanduser().resolve())
    return _locked()


def _chosen(path: Path) -> ClaudeBinary:
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise ConfigurationError(
            f"TIERCEL_CLAUDE_BIN: {path} is no executable file; correct the path, or unset it to use the locked CLI"
        )
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError) as e:
        raise ConfigurationError(
            f"TIERCEL_CLAUDE_BIN: {path} --version failed ({e}); give the path of a Claude Code CLI"
        ) from e
    found = _VERSION.search(said)
    if not found:
        raise ConfigurationError(
            f"TIERCEL_CLAUDE_BIN: {path} does not answer --version like a Claude Code CLI; correct the path"
        )
    return ClaudeBinary(path=path, version=found.group(), source="TIERCEL_CLAUDE_BIN")


def _locked() -> ClaudeBinary:
    spec = find_spec(_WHEEL)
    if spec is None or not spec.origin:
        raise ConfigurationError("The Claude Code CLI is not installed: run ./dev setup, or set TIERCEL_CLAUDE_BIN")
    bundled = Path(spec.origin).parent / "_bundled"
    path = bundled / "claude"
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise ConfigurationError(
            "The locked package brings no Claude Code CLI for this system (Linux x86_64 and aarch64, macOS): set TIERCEL_CLAUDE_BIN to one of your own"
        )
    said = (bundled / "claude.version").read_text(encoding="utf-8") if (bundled / "claude.version").is_file() else ""
    found = _VERSION.search(said)
    return ClaudeBinary(path=path, version=found.group() if found else "unknown", source="lock file")
