"""The locks: in step with what is declared, pinned by hash, free of addresses."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

from tests.project.tree import ROOT, pyproject

LOCK = ROOT / "requirements.lock"
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ \\;]+)(?: ; ([^\\]+?))? \\$", re.MULTILINE)


def declared() -> list[Requirement]:
    project = pyproject()
    return [Requirement(line) for line in project["project"]["dependencies"] + project["dependency-groups"]["dev"]]


def pins() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, version, _ in PIN.findall(LOCK.read_text()):
        found.setdefault(name.lower(), []).append(version)
    return found


def test_everything_declared_is_pinned_to_a_version_that_fits() -> None:
    found = pins()
    wrong = [
        str(wish)
        for wish in declared()
        if not any(wish.specifier.contains(version) for version in found.get(wish.name.lower(), []))
    ]
    assert not wrong, "run ./dev lock"


def test_every_pin_has_hashes_and_markers_that_can_be_read() -> None:
    blocks = re.split(r"\n(?=[A-Za-z0-9])", LOCK.read_text())
    unhashed = [block.splitlines()[0] for block in blocks if "==" in block and "--hash=sha256:" not in block]
    assert not unhashed
    for _, _, marker in PIN.findall(LOCK.read_text()):
        if marker:
            Marker(marker)


def test_the_front_end_is_pinned_by_integrity() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    wished = json.loads((ROOT / "package.json").read_text())["dependencies"]
    locked = {name.removeprefix("node_modules/"): entry for name, entry in packages.items() if name}
    assert {name: locked[name]["version"] for name in wished} == wished
    assert all(entry["integrity"].startswith("sha512-") for entry in locked.values())


@pytest.mark.parametrize(
    "name",
    ["requirements.lock", "package-lock.json", *(str(p.relative_to(ROOT)) for p in ROOT.glob("deploy/*/go.sum"))],
)
def test_a_lock_holds_no_address(name: str) -> None:
    assert "://" not in (ROOT / name).read_text()


@pytest.mark.network
@pytest.mark.optional
def test_the_lock_is_what_the_declaration_compiles_to(tmp_path: Path) -> None:
    if not (os.environ.get("CI") or os.environ.get("TIERCEL_TEST_LOCK")):
        pytest.skip("asks the package index; TIERCEL_TEST_LOCK=1 runs it")
    uv = shutil.which("uv") or str(ROOT / ".dev" / "uv" / "bin" / "uv")
    assert Path(uv).exists(), "no uv: run ./dev setup in a fresh checkout"
    copy = tmp_path / "requirements.lock"
    shutil.copy(LOCK, copy)  # what is there is preferred: only a change of the declaration shows
    argv = [uv, "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-emit-index-url"]
    subprocess.run([*argv, "pyproject.toml", "--group", "dev", "-o", str(copy)], cwd=ROOT, check=True, timeout=110)
    assert _pinned(copy) == _pinned(LOCK), "run ./dev lock"


def _pinned(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if not line.lstrip().startswith("#")]
