#!/usr/bin/env python3
"""Runs once before everything else, as root in a container without network: `prepare.py`.

Makes the home folder ours, makes the passwords of the databases, and puts on the host what sessions' containers mount:
the Claude Code CLI and the runner. Repeating it changes nothing.
"""

import hashlib
import os
import secrets
import shutil
import sys
from pathlib import Path

from config.claude_cli import find
from config.settings import Settings
from deploy.compose.start import OWN_ID
from deploy.compose.surroundings import home, session_files

SECRETS = Path("/secrets")
RUNNER = Path(__file__).resolve().parents[2] / "adapters" / "containers"
KEPT = 2  # versions of the session files: running sessions still use the one before


def password(name: str) -> str:
    """The password of a role, made at the first start and kept."""
    file = SECRETS / name
    if not file.exists():
        write(file, secrets.token_hex(24))
    return file.read_text(encoding="utf-8").strip()


def write(file: Path, text: str) -> None:
    """Whole or not at all. Readable by every user that the volume is mounted for: the images differ in theirs."""
    scratch = file.with_suffix(".new")
    scratch.write_text(text + "\n", encoding="utf-8")
    scratch.chmod(0o444)
    scratch.rename(file)


def make_secrets(port: str) -> None:
    """Passwords, and the address of the record with its password."""
    password("postgres_password")
    password("temporal_password")
    write(SECRETS / "database_url", f"postgresql://tiercel:{password('tiercel_password')}@127.0.0.1:{port}/tiercel")
    SECRETS.chmod(0o755)


def make_home() -> None:
    """Ours alone; the Docker engine makes missing folders as root."""
    home().mkdir(parents=True, exist_ok=True)
    os.chown(home(), OWN_ID, OWN_ID)
    home().chmod(0o700)


def make_session_files(binary: Path) -> Path:
    """A folder named after its content, and the link `current` to it."""
    place = session_files().parent
    place.mkdir(exist_ok=True)
    sources = sorted(p for p in RUNNER.rglob("*") if p.is_file() and p.suffix != ".pyc")
    digest = hashlib.sha256(f"{binary}{binary.stat().st_size}".encode())
    for source in sources:
        digest.update(str(source).encode() + source.read_bytes())
    target = place / digest.hexdigest()[:16]
    if not target.exists():
        scratch = place / "new"
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(RUNNER, scratch / "code", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(binary, scratch / "claude")
        scratch.rename(target)
    link = place / "current.new"
    link.unlink(missing_ok=True)
    link.symlink_to(target.name)
    link.rename(session_files())
    folders = sorted((p for p in place.iterdir() if p.is_dir() and not p.is_symlink()), key=lambda p: p.stat().st_mtime)
    for old in [p for p in folders if p != target][: -(KEPT - 1)]:
        shutil.rmtree(old)
    return target


def main() -> None:
    """All of it, with one line per part."""
    make_home()
    make_secrets(sys.argv[1])
    print(f"home {home()}, session files {make_session_files(find(Settings()).path)}")


if __name__ == "__main__":
    main()
