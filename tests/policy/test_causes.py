"""One incident for one cause."""

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.inventory import Inventory
from policy.causes import Cause, group
from tests.support.builders import inventory, service, sid


def grouped(shop: Inventory, *failing: str) -> dict[str, tuple[str, ...]]:
    return {c.root: c.affected for c in group(shop, [sid(f) for f in failing])}


def test_nothing_failing_is_no_cause() -> None:
    assert group(inventory(service("web")), []) == ()


def test_one_failing_service_is_its_own_cause() -> None:
    assert group(inventory(service("web")), [sid("web")]) == (Cause(root=sid("web")),)


def test_what_fails_because_of_the_database_joins_its_incident() -> None:
    shop = inventory(service("db"), service("web", "db"), service("proxy", "web"), service("blog"))
    assert grouped(shop, "proxy", "web", "db", "blog") == {sid("db"): (sid("proxy"), sid("web")), sid("blog"): ()}


def test_a_healthy_service_between_two_failing_ones_separates_them() -> None:
    shop = inventory(service("db"), service("web", "db"), service("proxy", "web"))
    assert grouped(shop, "proxy", "db") == {sid("proxy"): (), sid("db"): ()}


def test_who_lends_the_network_is_the_first_suspect() -> None:
    shop = inventory(service("db"), service("vpn"), service("app", "db", network="vpn"))
    assert grouped(shop, "app", "db", "vpn") == {sid("vpn"): (sid("app"),), sid("db"): ()}


def test_a_circle_is_one_incident_whoever_is_seen_first() -> None:
    ring = inventory(service("a", "b"), service("b", "c"), service("c", "a"), service("tail", "b"))
    for order in (("a", "b", "c", "tail"), ("tail", "c", "b", "a")):
        causes = grouped(ring, *order)
        assert set(causes) == {sid("a")}
        assert set(causes[sid("a")]) == {sid("b"), sid("c"), sid("tail")}


def test_a_service_that_needs_itself_ends() -> None:
    assert grouped(inventory(service("a", "a")), "a") == {sid("a"): ()}


def test_a_service_that_is_no_longer_declared_is_its_own_cause() -> None:
    assert grouped(inventory(service("web", "gone")), "web", "gone") == {sid("gone"): (sid("web"),)}


names = st.sampled_from(list("abcdefgh"))


@given(
    st.dictionaries(names, st.tuples(st.lists(names, max_size=4), st.one_of(st.just(""), names))),
    st.lists(names, max_size=12),
)
@settings(max_examples=400, deadline=None)
def test_every_failing_service_appears_exactly_once_whatever_the_graph(
    graph: dict[str, tuple[list[str], str]], failing: list[str]
) -> None:
    shop = inventory(*(service(n, *needs, network=network) for n, (needs, network) in graph.items()))
    causes = group(shop, [sid(f) for f in failing])
    members = [m for c in causes for m in (c.root, *c.affected)]
    assert sorted(members) == sorted({sid(f) for f in failing})
    assert group(shop, [sid(f) for f in reversed(failing)]) != () or not failing
    assert {c.root for c in group(shop, [sid(f) for f in reversed(failing)])} == {c.root for c in causes}
