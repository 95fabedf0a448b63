"""What may stand in no committed file."""

import re
from pathlib import Path

from tests.project.tree import ROOT, text_files

# In two parts each, so that this file does not hold what it looks for.
REGISTRIES = [
    "pypi" + ".org", "files.python" + "hosted.org", "registry.npm" + "js.org", "registry.yarn" + "pkg.com",
    "proxy.go" + "lang.org", "sum.go" + "lang.org", "deb.deb" + "ian.org", "archive.ub" + "untu.com",
    "registry-1.dock" + "er.io", "index.dock" + "er.io", "crates" + ".io", "repo.maven" + ".apache.org",
]  # fmt: skip


def test_no_file_names_a_package_registry() -> None:
    found = [(name, host) for name, text in text_files() for host in REGISTRIES if host in text]
    assert not found, "packages come from wherever the machine is set up to get them; take the address out"


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    own = re.compile(rf"{re.escape(str(ROOT))}(?![\w-])|/home/(?!nobody|user|you|tiercel|me\b)[a-z]\w*/")
    if len(Path(ROOT).parts) < 3:
        own = re.compile(r"/home/(?!nobody|user|you|tiercel|me\b)[a-z]\w*/")
    found = [(name, match.group()) for name, text in text_files() if (match := own.search(text))]
    assert not found


def test_no_file_holds_a_secret() -> None:
    looks_like = re.compile(
        r"sk-ant-(?:api|oat)\d\d-[A-Za-z0-9_-]{80,}|\bgh[pousr]_[A-Za-z0-9]{36}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/=\n]{200,}"
    )
    assert not [name for name, text in text_files() if looks_like.search(text)]


def test_no_file_was_left_half_merged() -> None:
    marks = re.compile(r"^(<{7} |>{7} |={7}$)", re.MULTILINE)
    assert not [name for name, text in text_files() if marks.search(text) and not name.endswith((".md", ".rst"))]
