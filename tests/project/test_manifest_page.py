"""The manifest of docs/manifest.md is read by the real reader, and the page names every field there is."""

import re
from pathlib import Path
from typing import get_args

import pytest

from adapters.inventory.manifest import DeclaredLimits, DeclaredService
from adapters.inventory.source import RepositorySource
from domain.action import ActionKind
from domain.health import ProbeSpec
from domain.inventory import Inventory, ServiceKind
from tests.project.tree import ROOT

PAGE = (ROOT / "docs" / "manifest.md").read_text()
PROBES = get_args(get_args(ProbeSpec)[0])


@pytest.fixture
async def example(tmp_path: Path) -> Inventory:
    found = re.search(r"^```markdown\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert found
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "CLAUDE-OPS.md").write_text(found.group(1))
    return await RepositorySource(tmp_path).read()


def test_the_example_is_read_without_a_problem(example: Inventory) -> None:
    assert [p.line() for p in example.problems] == []
    assert [s.id for s in example.services] == ["local/database", "local/web", "local/front-door"]
    assert [s.kind for s in example.services] == [ServiceKind.CONTAINER, ServiceKind.CONTAINER, ServiceKind.EXTERNAL]
    assert example.repositories[0].manifest.startswith("# The shop")


def test_the_example_means_what_the_page_says(example: Inventory) -> None:
    database, web, door = example.services
    assert database.approval == (ActionKind.RESTART, ActionKind.RECREATE)
    assert web.actions == (ActionKind.RESTART, ActionKind.START)
    assert (web.limits.restarts, web.limits.restart_window_s) == (1, 28_800)
    assert web.depends_on == (database.id,)
    assert door.actions == ()
    assert example.resolve("Postgres") == database


@pytest.mark.parametrize("field", sorted({*DeclaredService.model_fields, *DeclaredLimits.model_fields} - {"node"}))
def test_the_page_names_every_field_of_a_service(field: str) -> None:
    assert f"`{field}`" in PAGE


@pytest.mark.parametrize("probe", PROBES, ids=lambda p: p.__name__)
def test_the_page_names_every_probe_and_its_fields(probe: type) -> None:
    fields = probe.model_fields
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{fields['kind'].default}` |"))
    common = {"kind", "name", "timeout_s", "hard", "check"}
    named = set(re.findall(r"`([a-z_]+)`", row.split("|")[2]))
    assert set(fields) - common <= named
    assert named <= set(fields)


@pytest.mark.parametrize("kind", ActionKind)
def test_the_page_names_every_action(kind: str) -> None:
    assert f"`{kind}`" in PAGE
