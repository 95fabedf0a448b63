"""Small parts: one responsibility per file, functions that fit on a screen. An exception carries its reason."""

import ast

import pytest

from tests.project.tree import ROOT, python_files, tracked

MAX_FUNCTION, P90_FUNCTION = 80, 35
MAX_FILE, P90_FILE = 600, 350
MAX_WORKFLOW = 250
MAX_SQL = 50

# name (file, or file::function) -> why it may be longer
ALLOWED: dict[str, str] = {
    "tests/redteam/attack.py": "one list of attacks, copied alone into a sandbox where it can import nothing of ours",
}


def functions(*, tests: bool) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, tree, _ in python_files(tests=tests):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[f"{name}::{node.name}"] = (node.end_lineno or node.lineno) - node.lineno + 1
    return found


def files(*, tests: bool) -> dict[str, int]:
    return {name: lines for name, _, lines in python_files(tests=tests)}


def p90(sizes: dict[str, int]) -> int:
    ordered = sorted(sizes.values())
    return ordered[int(len(ordered) * 0.9)]


def above(sizes: dict[str, int], limit: int) -> dict[str, int]:
    return {name: size for name, size in sizes.items() if size > limit and name not in ALLOWED}


@pytest.mark.parametrize("tests", [False, True], ids=["code", "tests"])
def test_no_function_is_longer_than_a_screen(tests: bool) -> None:
    assert not above(functions(tests=tests), MAX_FUNCTION), "split it: let the main function be the contents page"


@pytest.mark.parametrize("tests", [False, True], ids=["code", "tests"])
def test_no_file_holds_more_than_one_thing_can_need(tests: bool) -> None:
    assert not above(files(tests=tests), MAX_FILE), "split it by responsibility"


def test_most_functions_and_files_are_short() -> None:
    assert p90(functions(tests=False)) <= P90_FUNCTION
    assert p90(files(tests=False)) <= P90_FILE


def test_a_workflow_class_holds_the_order_of_things_and_not_the_business() -> None:
    sizes = {
        f"{name}::{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name, tree, _ in python_files(tests=False)
        if name.startswith("workflows/")
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    assert sizes
    assert not above(sizes, MAX_WORKFLOW), "move decisions to policy/ and steps to modules of their own"


def test_a_query_fits_on_a_page() -> None:
    sizes = {
        name: (ROOT / name).read_text().count("\n")
        for name in tracked()
        if name.endswith(".sql") and not name.endswith("/schema.sql") and "/migrations/" not in name
    }
    assert not above(sizes, MAX_SQL)


def test_every_exception_is_still_needed_and_says_why() -> None:
    sizes = functions(tests=False) | functions(tests=True) | files(tests=False) | files(tests=True)
    assert not {name for name, why in ALLOWED.items() if len(why) < 20}
    assert not set(ALLOWED) - set(sizes), "these do not exist any more"
