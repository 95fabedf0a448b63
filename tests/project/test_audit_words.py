"""The words of the audit: one spelling each, `<what>.<what happened>`, so that a filter finds all of a kind."""

import ast
import re

import pytest

from tests.project.tree import python_files

KINDS = {"user", "session", "system", "cli", "web", "key", "link"}
WORD = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*")


def _words(call: ast.Call) -> list[str]:
    """The action that one call of `audit` or `_audit` writes: behind the actor, or behind (key, at, kind, actor)."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if name == "_said" and len(call.args) >= 2:  # of people: (who, word, ...)
        return _texts(call.args[1])
    if name not in {"audit", "_audit"} or len(call.args) < 3:
        return []
    first = call.args[0]
    kind_first = name == "_audit" and (
        len(call.args) == 5 or (isinstance(first, ast.Constant) and first.value in KINDS)
    )
    return _texts(call.args[4 if len(call.args) == 7 else 2 if kind_first else 1])


def _texts(node: ast.expr) -> list[str]:
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp(body=body, orelse=orelse):
            return [*_texts(body), *_texts(orelse)]
        case ast.JoinedStr(values=parts):  # `action.{state}`: any state in its place
            return ["".join(str(p.value) if isinstance(p, ast.Constant) else "state" for p in parts)]
        case _:
            return []  # handed on from a caller, who is looked at


def written() -> dict[str, str]:
    """Every word that code writes to the audit, and a place that does."""
    return {
        word: f"{name}:{node.lineno}"
        for name, tree, _ in python_files(tests=False)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for word in _words(node)
    }


def test_the_words_are_found():
    assert {
        "ledger.state",
        "action.asked",
        "schedule.paused",
        "look.started",
        "action.refused",
        "login.failed",
    } <= written().keys()


@pytest.mark.parametrize(("word", "place"), sorted(written().items()))
def test_a_word_of_the_audit_is_a_thing_and_what_happened_to_it(word: str, place: str):
    assert WORD.fullmatch(word), f"{place} writes '{word}' to the audit; write it like 'schedule.paused'"


def test_no_word_has_two_spellings():
    seen: dict[str, str] = {}
    for word in written():
        plain = re.sub("[^a-z]", "", word)
        assert seen.setdefault(plain, word) == word
