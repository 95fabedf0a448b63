#!/usr/bin/env python3
"""Prints the part of a compiled lock file that some packages need: themselves and all below them, with their hashes.

    select_packages.py LOCK                      what the project itself needs, without its development tools
    select_packages.py LOCK --without A B        the same without A and B and what only they need
    select_packages.py LOCK --bare A B           A and B without what they need: they only bring a program
    select_packages.py LOCK --only A B           A and B and what they need

The lock file says under each package who asked for it ("# via"); nothing else is read.
"""

import argparse
import re
import sys
from pathlib import Path

PROJECT = "tiercel (pyproject.toml)"


def entries(text: str) -> dict[str, str]:
    """Package name to its lines in the lock file."""
    parts = re.split(r"(?m)^(?=[A-Za-z0-9])", text)
    return {re.split(r"[=\s\[]", part, maxsplit=1)[0]: part for part in parts if not part.startswith("#")}


def asked_by(entry: str) -> set[str]:
    """Who needs the package: other packages, or the project."""
    _, _, via = entry.partition("# via")
    return {name.strip() for name in via.replace("#", "\n").splitlines() if name.strip()}


def closure(found: dict[str, str], start: set[str], without: set[str]) -> set[str]:
    """`start` and everything below it, never entering what is in `without`."""
    needed = start - without
    while more := {n for n, e in found.items() if n not in needed | without and asked_by(e) & needed}:
        needed |= more
    return needed


def main() -> None:
    """Read the arguments, print the part."""
    parser = argparse.ArgumentParser()
    parser.add_argument("lock", type=Path)
    parser.add_argument("--without", nargs="*", default=[])
    parser.add_argument("--bare", nargs="*", default=[])
    parser.add_argument("--only", nargs="*", default=[])
    wanted = parser.parse_args()
    found = entries(wanted.lock.read_text(encoding="utf-8"))
    unknown = {*wanted.without, *wanted.bare, *wanted.only} - set(found)
    if unknown:
        sys.exit(f"{wanted.lock} holds no {', '.join(sorted(unknown))}")
    start = set(wanted.only) or {name for name, entry in found.items() if PROJECT in asked_by(entry)}
    needed = closure(found, start, {*wanted.without, *wanted.bare}) | set(wanted.bare)
    print("".join(found[name] for name in found if name in needed))


if __name__ == "__main__":
    main()
