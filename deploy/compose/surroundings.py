#!/usr/bin/env python3
"""What a process in a container of ours learns from the home folder instead of from its environment.

The kind of the credential comes from the gateway, the only one that knows it; the place of the session files
from `prepare`, because the Docker engine can mount only what lies on the host.
"""

import os
from pathlib import Path


def home() -> Path:
    """The folder with all state, at the same path here and on the host."""
    return Path(os.environ.get("TIERCEL_HOME", "/var/lib/tiercel"))


def kind_file() -> Path:
    """Says `api_key`, `oauth` or nothing; never the credential."""
    return home() / "run" / "credential-kind"


def session_files() -> Path:
    """A link to the files of the newest image that was prepared."""
    return home() / "session-files" / "current"


def learn() -> None:
    """Set what is not set yet."""
    if not os.environ.get("TIERCEL_CREDENTIAL") and kind_file().is_file():
        os.environ["TIERCEL_CREDENTIAL"] = kind_file().read_text(encoding="utf-8").strip()
    if not os.environ.get("TIERCEL_SESSION_FILES") and session_files().exists():
        os.environ["TIERCEL_SESSION_FILES"] = str(session_files().resolve())
