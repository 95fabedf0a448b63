"""The checkout, as the tests about the project itself read it."""

import ast
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DATA = ("agents", "checks", "playbooks", "prompts")  # Markdown, YAML and JSON; packages only so that they are found


@cache
def tracked() -> tuple[str, ...]:
    """All files of the repository, also those that are about to be added."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return tuple(sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file()))


@cache
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def rooms() -> tuple[str, ...]:
    """Our top-level packages: folders with code."""
    return tuple(sorted(path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name not in DATA))


def python_files(*, tests: bool) -> Iterator[tuple[str, ast.Module, int]]:
    """(name, tree, lines) of every Python file of the rooms, or of the tests."""
    for name in tracked():
        top = name.split("/", 1)[0]
        if name.endswith(".py") and (top == "tests" if tests else top in rooms()):
            text = (ROOT / name).read_text()
            yield name, ast.parse(text, name), text.count("\n")


def text_files() -> Iterator[tuple[str, str]]:
    """(name, text) of every file that is text."""
    for name in tracked():
        raw = (ROOT / name).read_bytes()
        if b"\0" not in raw[:8000]:
            yield name, raw.decode(errors="replace")
