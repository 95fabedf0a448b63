"""The process engine of a worker that is an ordinary user: what it cannot have the kernel bound, it measures."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NOBODY = "65534"
PYTHON = "/usr/bin/python3"  # the tests' own may lie where nobody else can go
BOMBS = "process and (memory or forks or one or look or processor)"
PROBE = """
import asyncio, pathlib, sys
from adapters.containers.process import ProcessEngine
print(asyncio.run(ProcessEngine(*map(pathlib.Path, sys.argv[1:3]), pathlib.Path("/bin/sh")).isolation()).how)
"""


def _as_nobody(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": f"{packages}:{ROOT}",
    }
    become = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", PYTHON]
    return subprocess.run(
        [*become, *arguments], env=env, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False
    )


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that an ordinary user can reach and write."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root can become somebody else")
    home = Path("/tmp") / f"tiercel-not-root-{os.getpid()}"
    home.mkdir()
    os.chown(home, int(NOBODY), int(NOBODY))
    if _as_nobody(home, "-c", "import pydantic, pytest_asyncio, docker, sys; sys.exit(0)").returncode:
        shutil.rmtree(home)
        pytest.skip("these packages lie where an ordinary user cannot go, or are for another Python")
    return home


@pytest.mark.isolation
@pytest.mark.optional
def test_an_ordinary_users_sessions_are_walled_in_and_measured(home: Path) -> None:
    try:
        how = _as_nobody(home, "-c", PROBE, str(home / "s"), str(home / "c")).stdout
        assert how.startswith("bubblewrap"), how
        assert "limits measured" in how
        options = ["-q", "-s", "-p", "no:cacheprovider", f"--basetemp={home}/t", "-k", BOMBS]
        ran = _as_nobody(home, "-m", "pytest", "tests/adapters/containers/test_bombs.py", *options)
        sys.stdout.write(ran.stdout)
        assert ran.returncode == 0, ran.stdout[-3000:]
        assert int(re.findall(r"(\d+) passed", ran.stdout)[0]) >= 5
    finally:
        shutil.rmtree(home)
