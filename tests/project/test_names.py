"""Our top-level packages have everyday names: nobody else in the environment may have them too."""

import ast
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.project.tree import DATA, ROOT, pyproject, rooms


@pytest.mark.parametrize("room", [*rooms(), *DATA, "deploy", "tests"])
def test_no_other_distribution_brings_a_package_of_our_name(room: str) -> None:
    assert set(packages_distributions().get(room, [])) <= {"tiercel"}


@pytest.mark.parametrize("room", rooms())
def test_the_package_that_is_imported_is_the_one_of_this_checkout(room: str) -> None:
    origin = import_module(room).__file__
    assert origin is not None
    assert Path(origin).resolve().parent == ROOT / room


def test_every_room_is_packaged_and_under_contract() -> None:
    tools = pyproject()["tool"]
    assert set(rooms()) <= set(tools["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert set(rooms()) == set(tools["importlinter"]["root_packages"])
    assert set(rooms()) <= set(tools["pyright"]["include"])
    assert set(rooms()) == set(tools["deptry"]["known_first_party"])


@pytest.mark.parametrize("folder", DATA)
def test_a_data_folder_holds_no_code(folder: str) -> None:
    files = list((ROOT / folder).rglob("*.py"))
    assert [file.name for file in files] in ([], ["__init__.py"])
    assert all(len(ast.parse(file.read_text()).body) <= 1 for file in files)


def test_every_adapter_is_either_made_for_docker_or_kept_from_it() -> None:
    contracts = pyproject()["tool"]["importlinter"]["contracts"]
    (contract,) = [one for one in contracts if one.get("forbidden_modules") == ["docker"]]
    kept = {name for name in contract["source_modules"] if name.startswith("adapters.")}
    made = {"adapters.actions", "adapters.containers", "adapters.probes"}
    assert {f"adapters.{path.parent.name}" for path in ROOT.glob("adapters/*/__init__.py")} == kept | made
