"""Static files under names that change with their content, so that browsers may keep them for ever."""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent / "static"
FILES = {
    "app.css": "app.css",
    "app.js": "app.js",
    "habits.js": "habits.js",
    "stream.js": "stream.js",
    "favicon.svg": "favicon.svg",
    "favicon-alert.svg": "favicon-alert.svg",
    "pico.min.css": "vendor/pico.min.css",
    "htmx.min.js": "vendor/htmx.min.js",
}


@dataclass(frozen=True)
class Asset:
    """One file as it was when the process started."""

    name: str
    sha8: str
    body: bytes
    media_type: str


class MissingAssetError(Exception):
    """A vendored file was never copied here."""


def load(root: Path = ROOT) -> dict[str, Asset]:
    """Read every file once. Raises MissingAssetError with the command that fetches what is missing."""
    missing = [path for path in FILES.values() if not (root / path).is_file()]
    if missing:
        raise MissingAssetError(
            f"static files are missing: {', '.join(missing)}; run ./dev setup, which copies them from the npm lock file"
        )
    return {name: _read(name, root / path) for name, path in FILES.items()}


def _read(name: str, path: Path) -> Asset:
    body = path.read_bytes()
    kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Asset(name=name, sha8=hashlib.sha256(body).hexdigest()[:8], body=body, media_type=kind)
