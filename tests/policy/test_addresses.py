"""Where a connection that a session asks for may lead."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.health import DnsProbe, HttpProbe, PostgresProbe, TcpProbe, TlsProbe
from domain.ids import service_id
from domain.inventory import Inventory, Service, ServiceKind
from policy.addresses import declared_places, is_public, judge_way, place_of, plain_host

PLACES = frozenset({("db.lan", 5432), ("127.0.0.1", 8080), ("169.254.169.254", 80)})


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Example.COM.", "example.com"), ("1.2.3.4", "1.2.3.4"), ("[::1]", "::1"), ("::FFFF:1.2.3.4", "::ffff:102:304"),
        ("my_host-1.lan", "my_host-1.lan"), ("0::1", "::1"),
    ],
)  # fmt: skip
def test_a_host_has_one_spelling(text: str, host: str) -> None:
    assert plain_host(text) in {host, str(ipaddress.ip_address(host)) if ":" in host else host}


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "127.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.01", "1.2.3.4.", "1.2.3", "a.0x1", "a.1",
        "\uff11\uff12\uff17.0.0.1", "①.com", "exämple.com", "a b", "a/b", "a@b", "a%2eb", "fe80::1%eth0", "[::1", "::1]", "a..b", "-a.com",
        "a" * 64, "a." * 200, "127.0.0.1:80", "a\n", "a\0b", "a,b", "*.com", "127\u30020\u30020\u30021",
    ],
)  # fmt: skip
def test_tricky_spellings_are_no_hosts(text: str) -> None:
    assert plain_host(text) == ""


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.17.0.1", "192.168.1.1", "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1",
        "198.18.0.1", "192.0.2.1", "::1", "::", "fc00::1", "fd12::1", "fe80::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8",
        "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1", "fec0::1",
        "169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254", "240.0.0.1",
    ],
)  # fmt: skip
def test_private_addresses_are_refused_in_every_form(address: str) -> None:
    for host in (address, "public.example"):
        way = judge_way(host, 443, [address], PLACES)
        assert (way.address, bool(way.reason)) == ("", True), way
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001::5e"])
def test_public_addresses_are_let_through_unless_they_are_ours(address: str) -> None:
    assert judge_way("public.example", 443, [address], ()).address == address
    assert "this machine" in judge_way("public.example", 443, [address], (), own=[address]).reason


def test_what_the_inventory_declares_is_reached_on_its_port_only() -> None:
    assert judge_way("DB.lan.", 5432, ["10.0.0.5"], PLACES).address == "10.0.0.5"
    assert judge_way("127.0.0.1", 8080, ["127.0.0.1"], PLACES, own=["127.0.0.1"]).address == "127.0.0.1"
    for host, port, found in [
        ("db.lan", 22, "10.0.0.5"),
        ("127.0.0.1", 8081, "127.0.0.1"),
        ("other.lan", 5432, "10.0.0.5"),
    ]:
        assert judge_way(host, port, [found], PLACES).reason


@pytest.mark.parametrize(
    "metadata", ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254", "168.63.129.16"]
)
def test_metadata_is_never_reached_whatever_is_declared(metadata: str) -> None:
    declared = {(plain_host(metadata), 80), ("db.lan", 5432)}
    assert "metadata" in judge_way(metadata, 80, [metadata], declared).reason
    assert "metadata" in judge_way("db.lan", 5432, [metadata], declared).reason


def test_one_private_address_among_public_ones_refuses_all() -> None:
    assert judge_way("rebind.example", 80, ["8.8.8.8", "127.0.0.1"], ()).reason
    assert judge_way("rebind.example", 80, [], ()).reason
    assert judge_way("rebind.example", 80, ["nonsense"], ()).reason


def test_the_places_of_an_inventory_are_those_of_its_probes() -> None:
    probes = (
        HttpProbe(url="https://Shop.example/health"),
        HttpProbe(url="http://127.0.0.1:8080/x"),
        TcpProbe(host="10.0.0.9", port=22),
        TlsProbe(host="shop.example"),
        PostgresProbe(host="db.lan"),
        DnsProbe(query="x.example", server="10.0.0.53"),
        DnsProbe(query="y.example"),
    )
    service = Service(id=service_id("local", "shop"), name="shop", kind=ServiceKind.EXTERNAL, probes=probes)
    assert declared_places(Inventory(services=(service,))) == {
        ("shop.example", 443), ("127.0.0.1", 8080), ("10.0.0.9", 22), ("db.lan", 5432), ("10.0.0.53", 53),
    }  # fmt: skip


@pytest.mark.parametrize(
    "url", ["", "http://", "http://[::1", "ftp://x", "http://2130706433/", "http://x:99999/", "//x:80@"]
)
def test_an_address_without_a_plain_host_is_no_place(url: str) -> None:
    host, port = place_of(url)
    assert not (host and port)


@given(st.ip_addresses(), st.lists(st.ip_addresses(), max_size=3), st.sampled_from([80, 443, 5432, 8080]))
def test_what_is_not_declared_leads_to_public_addresses_only(first: object, more: list[object], port: int) -> None:
    found = [str(a) for a in (first, *more)]
    way = judge_way("some.example", port, found, PLACES)
    assert way.address == "" or all(is_public(ipaddress.ip_address(a)) for a in found)


@given(st.text(max_size=40))
def test_a_plain_host_is_plain_again(text: str) -> None:
    host = plain_host(text)
    assert host == "" or plain_host(host) == host
