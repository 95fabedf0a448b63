"""The configuration file of web and worker. A wrong value stops the start with its name."""

import tomllib
from pathlib import Path
from typing import Any

EX_CONFIG = 78
_FIELDS: dict[str, type] = {
    "port": int,
    "database": str,
    "title": str,
    "page_size": int,
    "catalogue": str,
    "interval_s": float,
}


class BadConfigError(Exception):
    """What is wrong with the file, in one line."""


def read(path: Path, *needed: str) -> dict[str, Any]:
    """Exactly the fields in `needed`, each of its type. Raises BadConfigError."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as e:
        raise BadConfigError(f"{path}: the configuration cannot be read ({e})") from e
    except tomllib.TOMLDecodeError as e:
        raise BadConfigError(f"{path}: invalid configuration: {e}") from e
    for name in [*needed, *values]:
        if name not in values or name not in needed:
            what = "is missing" if name in needed else "is not known"
            raise BadConfigError(f"{path}: invalid configuration: '{name}' {what}")
        wanted, given = _FIELDS[name], values[name]
        if not isinstance(given, wanted) or isinstance(given, bool):
            raise BadConfigError(f"{path}: invalid configuration: '{name}' must be {wanted.__name__}, not {given!r}")
        if wanted is not str and not 0 < given < 65_536:
            raise BadConfigError(f"{path}: invalid configuration: '{name}' is out of range: {given}")
    return values
