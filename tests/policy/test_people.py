"""Who may do what, how long a guesser waits, and which passwords are taken: every rule, at every instant."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.people import OWNER, AttemptKind, Permission, Role, Scope, Who
from policy import people

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def person(role: Role, password_at: datetime | None = NOW) -> Who:
    return Who(kind="user", name="alice", role=role, person="usr_1", session="s", password_at=password_at)


def key(role: Role, *scopes: Scope) -> Who:
    return Who(kind="key", name="backup", role=role, scopes=scopes, person="usr_1", session="tcl_1")


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.VIEWER, {"open", "own", "look"}),
        (Role.OPERATOR, {"open", "own", "look", "act"}),
        (Role.ADMIN, {"open", "own", "look", "act", "manage", "people"}),
    ],
)
def test_a_role_may_what_the_one_before_may_and_more(role: Role, may: set[str]):
    assert {str(p) for p in Permission if not people.refusal(person(role), p)} == may


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("scope", Scope)
def test_a_key_may_never_more_than_its_owner_and_never_manages_people(role: Role, scope: Scope):
    may = {p for p in Permission if not people.refusal(key(role, scope), p)}
    assert may <= {p for p in Permission if not people.refusal(person(role), p)}
    assert not may & {Permission.OWN, Permission.PEOPLE}
    assert (scope in people.scopes_within(role)) == (may == people.SCOPE_MAY[scope])


def test_a_key_without_a_scope_may_nothing_and_the_owner_without_login_everything_but_an_account():
    assert all(people.refusal(key(Role.ADMIN), p) for p in Permission)
    assert [p for p in Permission if people.refusal(OWNER, p)] == [Permission.OWN]


@pytest.mark.parametrize(("minutes", "old"), [(0, False), (10, False), (11, True), (-1, True)])
def test_a_password_is_old_after_ten_minutes_and_when_the_clock_went_back(minutes: int, old: bool):
    assert people.password_is_old(person(Role.ADMIN, NOW - timedelta(minutes=minutes)), NOW) is old
    assert people.password_is_old(person(Role.ADMIN, None), NOW)
    assert not people.password_is_old(key(Role.ADMIN, Scope.ADMIN), NOW)


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "wanted"),
    [
        ("198.51.100.7", "10.0.0.1", "", "198.51.100.7"),  # nobody is trusted
        ("198.51.100.7", "10.0.0.1", "127.0.0.1/32", "198.51.100.7"),  # not whoever comes past the proxy
        ("127.0.0.1", "203.0.113.9", "127.0.0.1/32", "203.0.113.9"),
        ("127.0.0.1", "6.6.6.6, 203.0.113.9", "127.0.0.1/32", "203.0.113.9"),  # a lie before the truth
        ("127.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.2", "127.0.0.1, 10.0.0.0/8", "203.0.113.9"),  # two proxies
        ("127.0.0.1", "unknown", "127.0.0.1/32", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1/32", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.9:5133", "127.0.0.1/32", "203.0.113.9"),
        ("::1", '"[2001:db8::7]:443"', "::1/128", "2001:db8::7"),
        ("::ffff:127.0.0.1", "203.0.113.9", "127.0.0.0/8", "203.0.113.9"),
        ("127.0.0.1", "10.0.0.3, 10.0.0.2", "127.0.0.1, 10.0.0.0/8", "10.0.0.3"),  # all of them are proxies
    ],
)
def test_a_client_is_who_the_last_trusted_proxy_names(peer: str, forwarded: str, trusted: str, wanted: str):
    assert people.client_address(peer, forwarded, people.networks_of(trusted) or ()) == wanted


@given(st.text(max_size=60), st.lists(st.ip_addresses(), max_size=4))
def test_no_header_makes_an_untrusted_peer_somebody_else(junk: str, listed: list[object]):
    forwarded = ", ".join([junk, *map(str, listed)])
    assert people.client_address("198.51.100.7", forwarded, ("127.0.0.1/32",)) == "198.51.100.7"


def test_a_session_ends_after_a_week_without_a_page_and_after_a_month_in_any_case():
    end, day = NOW + people.ABSOLUTE, timedelta(days=1)
    assert not people.session_is_over(end, NOW, NOW + 7 * day - timedelta(seconds=1))
    assert people.session_is_over(end, NOW, NOW + 7 * day)
    assert people.session_is_over(end, end - day, end)


@given(st.sampled_from(AttemptKind), st.integers(0, 10**9), st.integers(-(10**6), 10**6))
def test_every_wait_ends_whatever_the_clock_does(kind: AttemptKind, failures: int, seconds: int):
    wait = people.wait_s(kind, failures, NOW, NOW + timedelta(seconds=seconds))
    assert 0 <= wait <= people.PATIENCE[kind].longest_s
    assert people.wait_s(kind, failures, NOW, NOW + timedelta(seconds=people.PATIENCE[kind].longest_s)) == 0
    assert people.delay_s(kind, failures) <= people.delay_s(kind, failures + 1)


@pytest.mark.parametrize("kind", AttemptKind)
def test_a_few_mistakes_cost_nothing_and_a_day_later_they_are_forgotten(kind: AttemptKind):
    assert people.delay_s(kind, people.PATIENCE[kind].free - 1) == 0
    assert people.delay_s(kind, people.PATIENCE[kind].free) > 0
    assert people.counted(50, NOW, NOW + timedelta(days=1)) == 0
    assert people.counted(50, NOW, NOW + timedelta(hours=23)) == 50


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.168.1.7", "192.168.1.7"), ("::ffff:192.168.1.7", "192.168.1.7"), ("2001:db8:1:2::7", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"), ("unix socket", "unix socket"),
    ],
)  # fmt: skip
def test_one_subscriber_counts_as_one_address(address: str, group: str):
    assert people.address_group(address) == group


def test_a_key_is_bound_to_networks_only_where_they_are_named():
    assert people.address_allowed("10.0.0.1", ())
    assert people.address_allowed("10.0.0.1", ("192.168.0.0/16", "10.0.0.0/8"))
    assert not people.address_allowed("11.0.0.1", ("10.0.0.0/8",))
    assert not people.address_allowed("no address", ("0.0.0.0/0",))
    assert people.networks_of("10.0.0.1/8, 2001:db8::/32") == ("10.0.0.0/8", "2001:db8::/32")
    assert people.networks_of("my house") is None


@pytest.mark.parametrize(
    ("password", "taken"),
    [
        ("four plain old words", True), ("x7!Kq9#mZp", True), ("short", False), ("alice12345", False),
        ("Password1234", False), ("1234567890", False), ("aaaaaaaaaaaa", False), ("abcdefghijkl", False), ("ab" * 129, False),
    ],
)  # fmt: skip
def test_a_password_is_long_and_not_the_first_that_people_try(password: str, taken: bool):
    assert (people.password_problem(password, "alice") == "") is taken


@pytest.mark.parametrize(
    ("pin", "taken"),
    [("918273", True), ("12345", False), ("123456", False), ("987654", False), ("789012", False), ("112112", False), ("91827a", False), ("٣٤٥٦٧٨", False)],
)  # fmt: skip
def test_a_pin_has_six_to_twelve_digits_and_no_order(pin: str, taken: bool):
    assert (people.pin_problem(pin) == "") is taken
