"""Reads text files of one repository, and only of it."""

import os
import stat
from pathlib import Path

MAX_BYTES = 1_000_000
MAX_FOLDERS = 300


class UnusableFileError(Exception):
    """Why a file was not read, and in `fix` what to do about it."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


class RepositoryFiles:
    """The files of one mounted repository. The folder itself may be a link: that one was made by the owner."""

    def __init__(self, folder: Path) -> None:
        self.root = Path(os.path.realpath(folder))
        self.name = folder.name

    def read(self, relative: str) -> str | None:
        """The text, or None where there is no such file. Raises UnusableFileError."""
        path = self.root / relative
        if not os.path.lexists(path):
            return None
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(self.root):
            raise UnusableFileError("it is a link that leads out of the repository", "put the file itself here")
        try:
            # O_NONBLOCK: opening a named pipe would otherwise wait for ever.
            descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as e:
            raise UnusableFileError(f"it cannot be read ({e.strerror})", "give Tiercel's user read permission") from e
        with os.fdopen(descriptor, "rb") as file:
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode):
                raise UnusableFileError("it is no ordinary file", "replace it by a text file")
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise UnusableFileError(
                f"it is larger than {MAX_BYTES // 1_000_000} MB", "make it smaller, or move parts out"
            )
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError as e:
            raise UnusableFileError(f"it is not UTF-8 text (byte {e.start})", "save it as UTF-8") from e

    def folders(self) -> list[str]:
        """Visible folders directly below the root, sorted, bounded. Raises OSError."""
        with os.scandir(self.root) as entries:
            names = (e.name for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith("."))
            return sorted(names)[:MAX_FOLDERS]

    def markdown(self, relative: str) -> tuple[str, ...]:
        """Names of the Markdown files of one folder, sorted, bounded."""
        folder = self.root / relative
        if not Path(os.path.realpath(folder)).is_relative_to(self.root):
            return ()
        try:
            with os.scandir(folder) as entries:
                names = [e.name for e in entries if e.name.endswith(".md") and e.is_file(follow_symlinks=False)]
        except OSError:
            return ()
        return tuple(sorted(n for n in names if n.isprintable())[:MAX_FOLDERS])
