"""Lists of domains: what each entry means, and what it does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ConfigurationError
from policy.addresses import plain_host
from policy.egress import MAX_DOMAINS, parse_domain, parse_domains, refused_name


@pytest.mark.parametrize(
    ("entry", "host", "port", "passes"),
    [
        ("example.org", "example.org", 443, True),
        ("example.org", "example.org", 80, True),
        ("Example.ORG.", "example.org", 443, True),
        ("example.org", "example.org", 22, False),
        ("example.org", "www.example.org", 443, False),
        ("example.org", "badexample.org", 443, False),
        ("*.example.org", "www.example.org", 443, True),
        ("*.example.org", "a.b.example.org", 443, True),
        ("*.example.org", "example.org", 443, False),
        ("*.example.org", "badexample.org", 443, False),
        ("example.org:8443", "example.org", 8443, True),
        ("example.org:8443", "example.org", 443, False),
        ("*.example.org:8443", "a.example.org", 8443, True),
        ("192.168.1.5:3000", "192.168.1.5", 3000, True),
        ("[fd00::5]:3000", "fd00::5", 3000, True),
        ("fd00::5", "fd00::5", 443, True),
    ],
)
def test_an_entry_means_exactly_this(entry: str, host: str, port: int, passes: bool) -> None:
    assert (refused_name(parse_domains([entry]), host, port, frozenset()) == "") is passes


def test_a_port_that_the_inventory_declares_is_fine_for_a_name_on_the_list() -> None:
    domains = parse_domains(["git.lan"])
    assert refused_name(domains, "git.lan", 3000, {("git.lan", 3000)}) == ""
    assert "port 3000" in refused_name(domains, "git.lan", 3000, {("other.lan", 3000)})
    assert "not on this session's list" in refused_name(domains, "other.lan", 3000, {("other.lan", 3000)})


@pytest.mark.parametrize(
    "entry", ["", "*", "*.", "*.com", "*.1.2.3.4", "*.[fd00::5]", "a.*.org", "http://a.org", "a.org/x", "a.org:0", "a.org:x",
              "a.org:99999", "a b.org", "0x7f.1", "a_b@c.org", "bücher.example"],
)  # fmt: skip
def test_what_means_nothing_or_too_much_is_an_error_that_says_what_to_write(entry: str) -> None:
    with pytest.raises(ConfigurationError, match=r"write a name|name the domain"):
        parse_domain(entry)


def test_a_list_has_an_end() -> None:
    with pytest.raises(ConfigurationError, match="too many"):
        parse_domains([f"a{n}.example.org" for n in range(MAX_DOMAINS + 1)])


@given(st.text(st.characters(max_codepoint=0x17F), max_size=40))
def test_any_text_is_an_entry_or_an_error_and_an_entry_never_means_its_neighbours(text: str) -> None:
    try:
        domain = parse_domain(text)
    except ConfigurationError:
        return
    assert domain.host == plain_host(domain.host) != ""
    assert domain.means(domain.host) is not domain.below
    assert not domain.means("x" + domain.host)
    assert not domain.means(domain.host + ".evil.example")
