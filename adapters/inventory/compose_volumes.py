"""Where the service of a compose file keeps its data: named volumes and host paths that it may write."""

import posixpath
from collections.abc import Callable
from typing import Any

MAX_VOLUMES = 50


def data_of(raw: Any, project: str, folder: str, text: Callable[[str], str]) -> tuple[str, ...]:
    """Both spellings of `volumes:`. Read-only mounts, anonymous volumes and sockets are nobody's data."""
    entries: list[Any] = raw if isinstance(raw, list) else []  # pyright: ignore[reportUnknownVariableType]
    found = [_long(e, text) if isinstance(e, dict) else _short(text(str(e))) for e in entries[:MAX_VOLUMES]]  # pyright: ignore[reportUnknownArgumentType]
    return tuple(dict.fromkeys(_named(source, project, folder) for source in found if source))


def _short(entry: str) -> str:
    source, colon, rest = entry.partition(":")
    modes = rest.rpartition(":")[2].split(",") if ":" in rest else []
    return source if colon and "ro" not in modes and not source.endswith(".sock") else ""


def _long(entry: dict[Any, Any], text: Callable[[str], str]) -> str:
    source = text(str(entry.get("source") or ""))
    writable = entry.get("type", "volume") in {"volume", "bind"} and not entry.get("read_only")
    return source if writable and not source.endswith(".sock") else ""


def _named(source: str, project: str, folder: str) -> str:
    if source.startswith((".", "~")):
        return posixpath.normpath(posixpath.join(folder, source)) if source.startswith(".") else source
    return source if source.startswith("/") else f"{project}_{source}"
