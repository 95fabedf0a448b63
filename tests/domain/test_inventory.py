"""A spelling means one service or none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.inventory import Inventory, InventoryProblem
from tests.support.builders import inventory, service, sid

SHOP = inventory(
    service("web", aliases=("shop", "Front End"), target="shop-web-1"),
    service("db", aliases=("postgres",)),
    service("blog", aliases=("postgres",)),
)


@pytest.mark.parametrize(
    "spelling",
    ["web", "WEB", " web ", "local/web", "Local/WEB", "shop", "SHOP", "front end", "local/shop", "shop-web-1", "local/shop-web-1", "\uff57eb"],
)  # fmt: skip
def test_id_name_alias_and_target_mean_the_service_in_any_case_and_width(spelling: str) -> None:
    found = SHOP.resolve(spelling)
    assert found is not None
    assert found.id == sid("web")


@pytest.mark.parametrize(
    "spelling", ["", " ", "we", "web1", "other/web", "local/", "/web", "local/local/web", "web\n\nx", "postgres"]
)
def test_what_nothing_or_more_than_one_thing_answers_to_means_nothing(spelling: str) -> None:
    assert SHOP.resolve(spelling) is None


def test_an_exact_id_wins_over_somebody_else_s_alias() -> None:
    shop = inventory(service("web"), service("blog", aliases=("local/web",)))
    found = shop.resolve("local/web")
    assert found is not None
    assert found.id == sid("web")


@given(st.text(max_size=20))
def test_no_text_means_a_service_that_does_not_answer_to_it(text: str) -> None:
    found = SHOP.resolve(text)
    assert found is None or found in SHOP.services


def test_dependents_are_found_through_others_and_through_shared_networks() -> None:
    shop = inventory(
        service("db"), service("web", "db"), service("proxy", "web"), service("sidecar", network="web"), service("blog")
    )
    assert [s.id for s in shop.dependents(sid("db"))] == [sid("web"), sid("proxy"), sid("sidecar")]
    assert shop.dependents(sid("blog")) == ()


def test_dependents_in_a_circle_end_and_leave_the_service_itself_out() -> None:
    ring = inventory(service("a", "b"), service("b", "a"))
    assert [s.id for s in ring.dependents(sid("a"))] == [sid("b")]


def test_the_revision_changes_with_a_service_and_with_nothing_else() -> None:
    problem = InventoryProblem(repository="r", file="f", message="m", fix="x")
    assert SHOP.revision == SHOP.model_copy(update={"problems": (problem,)}).revision
    assert SHOP.revision != Inventory(services=SHOP.services[:2]).revision


def test_a_problem_is_one_line_with_its_place_and_its_fix() -> None:
    problem = InventoryProblem(
        repository="shop", file="CLAUDE-OPS.md", field="services[0].kind", message="bad", fix="good"
    )
    assert problem.line() == "shop/CLAUDE-OPS.md, field 'services[0].kind': bad. Fix: good"
    assert InventoryProblem(repository="r", file="f", message="m", fix="x").line() == "r/f: m. Fix: x"
