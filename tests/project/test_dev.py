"""The one entry point: sets up what is missing, once, and says how where it cannot. `uv` is a recorder here."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.project.tree import ROOT

TOOLS = ("sh", "dirname", "cat", "cmp", "mkdir", "rm", "cp", "grep", "sed", "flock", "sleep", "chmod", "ln", "test")

# What uv does for ./dev, as far as ./dev can see it: an environment with the commands that it runs.
UV = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
*"pip sync"*) sleep "${SLOW:-0}"; [ -z "${BROKEN:-}" ] || exit 1 ;;
venv*)
    mkdir -p "$CHECKOUT/.venv/bin"
    for name in python tiercel pytest; do
        printf '#!/bin/sh\\necho "%s $*"\\n' "$name" >"$CHECKOUT/.venv/bin/$name"
        chmod +x "$CHECKOUT/.venv/bin/$name"
    done ;;
esac
"""


class Checkout:
    """A checkout with nothing but what ./dev reads, on a machine with nothing but a few tools."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "checkout"
        self.tools = folder / "tools"
        self.calls_file = folder / "calls"
        self.root.mkdir()
        self.tools.mkdir()
        for name in ("dev", "pyproject.toml", "requirements.lock", "package.json", "package-lock.json", ".npmrc"):
            shutil.copy(ROOT / name, self.root / name)
        vendor = self.root / "web" / "static" / "vendor"
        vendor.mkdir(parents=True)
        shutil.copy(ROOT / "package-lock.json", vendor / ".package-lock.json")
        for name in TOOLS:
            if found := shutil.which(name):
                (self.tools / name).symlink_to(found)

    def add(self, name: str, text: str) -> None:
        (self.tools / name).write_text(text)
        (self.tools / name).chmod(0o755)

    def environment(self, **more: str) -> dict[str, str]:
        return {"PATH": str(self.tools), "CALLS": str(self.calls_file), "CHECKOUT": str(self.root), **more}

    def dev(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.tools / "sh"), str(self.root / "dev"), *arguments],
            env=self.environment(**environment), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    @property
    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    one = Checkout(tmp_path)
    one.add("uv", UV)
    return one


def test_it_sets_up_once_and_then_goes_straight_to_the_work(checkout: Checkout) -> None:
    first = checkout.dev("demo", "--once")
    assert first.returncode == 0, first.stderr
    assert first.stdout == "tiercel demo --once\n"
    assert [call.split(" --")[0] for call in checkout.calls] == ["venv", "pip sync", "pip install"]
    assert "--require-hashes" in checkout.calls[1]

    second = checkout.dev("demo", "--once")
    assert second.stdout == "tiercel demo --once\n"
    assert second.stderr == ""
    assert len(checkout.calls) == 3


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_a_changed_declaration_refreshes_the_environment(checkout: Checkout, name: str) -> None:
    checkout.dev("setup")
    with (checkout.root / name).open("a") as file:
        file.write("\n# changed\n")
    checkout.dev("setup")
    assert [call.split(" --")[0] for call in checkout.calls[3:]] == ["pip sync", "pip install"]


def test_a_failed_installation_is_tried_again(checkout: Checkout) -> None:
    failed = checkout.dev("test", BROKEN="1")
    assert failed.returncode == 3
    assert "check the network" in failed.stderr
    assert failed.stdout == ""
    assert checkout.dev("test", "-x").stdout == "pytest -x\n"


def test_two_at_once_do_not_install_into_the_same_folder(checkout: Checkout) -> None:
    argv = [str(checkout.tools / "sh"), str(checkout.root / "dev"), "setup"]
    both = [subprocess.Popen(argv, env=checkout.environment(SLOW="0.5"), stderr=subprocess.PIPE) for _ in range(2)]
    assert [one.communicate(timeout=30) and one.returncode for one in both] == [0, 0]
    assert len(checkout.calls) == 3


def test_without_uv_and_python_it_names_the_ways_to_get_uv(checkout: Checkout) -> None:
    (checkout.tools / "uv").unlink()
    result = checkout.dev("setup")
    assert result.returncode == 3
    for way in ("pipx install uv", "package `uv` of your distribution", "official installer", "python3-venv"):
        assert way in result.stderr


def test_a_python_that_cannot_make_environments_leaves_no_half_one(checkout: Checkout) -> None:
    (checkout.tools / "uv").unlink()
    checkout.add("python3", '#!/bin/sh\nmkdir -p "$3/bin"\necho "ensurepip is not available" >&2\nexit 1\n')
    assert checkout.dev("setup").returncode == 3
    assert not (checkout.root / ".dev" / "uv").exists()


def test_a_wrong_command_shows_the_right_ones_and_installs_nothing(checkout: Checkout) -> None:
    result = checkout.dev("dmeo")
    assert result.returncode == 2
    assert "no such command: dmeo" in result.stderr
    assert "demo [...]" in result.stderr
    assert checkout.calls == []


def test_help_is_shown_without_installing_anything(checkout: Checkout) -> None:
    result = checkout.dev("help")
    assert result.returncode == 0
    assert "./dev COMMAND" in result.stdout
    assert checkout.calls == []


def test_the_demo_runs_in_the_callers_folder(checkout: Checkout, tmp_path: Path) -> None:
    checkout.dev("setup")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (checkout.root / ".venv" / "bin" / "tiercel").write_text('#!/bin/sh\necho "$PWD"\n')
    argv = [str(checkout.tools / "sh"), str(checkout.root / "dev"), "up"]
    said = subprocess.run(argv, env=checkout.environment(), cwd=elsewhere, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(elsewhere)


IN_IMAGES = {"deploy/compose/postgres-init.sh", "deploy/compose/offline-postgres.sh"}


@pytest.mark.parametrize("script", ["dev", *(str(p.relative_to(ROOT)) for p in ROOT.glob("deploy/*/*.sh"))])
def test_a_script_is_plain_shell_and_may_be_run(script: str) -> None:
    # What runs inside an image may count on the bash in there; what runs on any machine may not.
    first = "#!/bin/bash\n" if script in IN_IMAGES else "#!/bin/sh\n"
    shell = "bash" if script in IN_IMAGES else shutil.which("dash") or "sh"
    assert (ROOT / script).read_text().startswith(first)
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run([shell, "-n", str(ROOT / script)], check=True)


def test_what_ci_runs_is_valid_bash() -> None:
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
