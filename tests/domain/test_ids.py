"""Ids are derived from their cause, and the derivation is a promise: running workflows and old records hold them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.action import action_digest
from domain.ids import (
    action_id,
    approval_id,
    canonical_json,
    canonical_name,
    derived_uuid,
    digest,
    escalation_workflow_id,
    is_name,
    ledger_workflow_id,
    permit_id,
    service_id,
    session_id,
)

SESSION = session_id("escalation/local/web", "run-1", 2, 1)


def test_the_derivation_is_the_one_that_was_promised() -> None:
    assert SESSION == "4eb9da70-fcb6-57e1-bc2a-82fea1d104e2"
    action = action_id(SESSION, "toolu_01")
    assert action == "act_2d857230-e381-5614"
    assert permit_id(action) == "per_2d857230-e381-5614"
    assert approval_id(action) == "apr_2d857230-e381-5614"
    assert escalation_workflow_id("local/web") == "escalation/local/web"
    assert ledger_workflow_id("local/web") == "ledger/local/web"


def test_the_digest_of_an_action_is_the_one_that_was_promised() -> None:
    assert (
        action_digest("restart", "local/web", {}) == "0bc10c0d5fe5baaa3f2d861ec30390a648579cbe6c4e0ea67e2197f10ca1b3e8"
    )


@pytest.mark.parametrize(
    "other",
    [
        session_id("escalation/local/web", "run-1", 2, 2),
        session_id("escalation/local/web", "run-1", 3, 1),
        session_id("escalation/local/web", "run-2", 2, 1),
        session_id("escalation/local/blog", "run-1", 2, 1),
    ],
)
def test_another_cause_is_another_session(other: str) -> None:
    assert other != SESSION


@given(st.lists(st.text(st.characters(exclude_characters="\x1f", exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_parts_do_not_run_into_each_other(parts: list[str]) -> None:
    assert derived_uuid(*parts) == derived_uuid(*parts)
    assert derived_uuid(*parts) != derived_uuid(*parts, "")
    if len(parts) > 1:
        assert derived_uuid(*parts) != derived_uuid("".join(parts))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), json_values, max_size=5))
def test_equal_values_have_one_text_and_one_digest_whatever_their_order(value: dict[str, object]) -> None:
    other = dict(reversed(list(value.items())))
    assert canonical_json(value) == canonical_json(other)
    assert digest(value) == digest(other)


def test_canonical_json_is_sorted_has_no_blanks_and_keeps_letters() -> None:
    assert canonical_json({"b": [1, None], "a": "ü"}) == '{"a":"ü","b":[1,null]}'


@pytest.mark.parametrize(
    ("kind", "target", "params"),
    [("start", "local/web", {}), ("restart", "local/blog", {}), ("restart", "local/web", {"force": True})],
)
def test_any_other_action_has_another_digest(kind: str, target: str, params: dict[str, object]) -> None:
    assert action_digest(kind, target, params) != action_digest("restart", "local/web", {})


@pytest.mark.parametrize("spelling", ["Web", " web\t", "\uff37\uff25\uff22", "WEB"])
def test_spellings_fold_to_one_name(spelling: str) -> None:
    assert canonical_name(spelling) == "web"
    assert service_id("LOCAL", spelling) == "local/web"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_folding_an_ascii_name_twice_changes_nothing(text: str) -> None:
    name = canonical_name(text)
    if is_name(name):
        assert canonical_name(name) == name


@pytest.mark.parametrize("bad", ["", "-web", ".web", "we b", "web/1", "Web", "x" * 64, "we\nb", "web\n"])
def test_what_is_no_name(bad: str) -> None:
    assert not is_name(bad)
