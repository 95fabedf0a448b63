"""Every command explains itself."""

from typing import Any

import pytest
import typer

from cli.main import app
from tests.support.commands import Shell


def commands(command: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [path]
    for name, child in getattr(command, "commands", {}).items():
        found += commands(child, (*path, name))
    return found


ALL = commands(typer.main.get_command(app))
PLAIN = {(), ("up",), ("demo",), ("services",), ("show",), ("cooldown",), ("schedules",), ("budget",), ("user",), ("key",), ("memory",), ("notify",), ("db",), ("image",), ("config",),
         ("notify", "test"), ("db", "migrate"), ("image", "build")}  # nothing to spell out  # fmt: skip


@pytest.mark.parametrize("path", ALL, ids=" ".join)
async def test_a_command_has_help_and_where_useful_an_example(nowhere: Shell, path: tuple[str, ...]) -> None:
    said = await nowhere(*path, "--help")
    assert said.code == 0
    assert said.out.startswith("Usage: tiercel")
    assert len(said.out.splitlines()[2].strip()) > 10, "say what it does"
    assert path in PLAIN or "Example: tiercel" in said.out
