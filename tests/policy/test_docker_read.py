"""Which requests to the Docker API go further, and in which words the engine is then asked."""

import re
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policy.docker_read import DockerRead, DockerRefusal, judge, upstream_path

ID = "ab" * 32
UPSTREAM = re.compile(
    r"/_ping|(/v1\.\d\d)?/(version|containers/json\?all=1"
    rf"|containers/{ID}/(json|stats\?stream=0(&one-shot=1)?|top\?ps_args=(-ef|aux)|logs\?[a-z0-9=&.-]+)"
    r"|images/json"
    r"|events\?(until|since)=[0-9.-]+(&(until|since)=[0-9.-]+)?&filters=%7B%22type%22%3A%5B%22container%22%5D%7D)"
)


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/_ping", "ping"),
        ("/v1.41/version", "version"),
        ("/v1.41/containers/json", "list"),
        ("/v1.50/containers/json?all=1&filters=%7B%22name%22%3A%7B%22x%22%3Atrue%7D%7D", "list"),
        ("/containers/web/json", "inspect"),
        ("/containers/json/json", "inspect"),  # a container may be called so
        ("/v1.41/containers/web-1/logs?stderr=1&stdout=1&tail=all&since=1795264039", "logs"),
        ("/v1.41/containers/web/stats?stream=0", "stats"),
        ("/v1.41/containers/web/top?ps_args=", "top"),
        ("/v1.41/containers/web/top?ps_args=aux", "top"),
        ("/v1.41/images/json?all=0", "images"),
        ("/v1.41/events?since=1795264042&until=1795264342.000000001", "events"),
    ],
)
def test_what_the_docker_command_asks_in_order_to_look_is_understood(target: str, kind: str) -> None:
    read = judge("GET", target)
    assert isinstance(read, DockerRead), read
    assert read.kind == kind


@pytest.mark.parametrize(
    "target",
    [
        "/containers/web/archive?path=/etc/shadow", "/containers/web/export", "/containers/web/changes",
        "/containers/web/attach/ws", "/containers/web/exec", "/exec/x/json", "/images/x/get", "/images/get",
        "/info", "/secrets", "/configs", "/swarm", "/nodes", "/services", "/tasks", "/plugins", "/volumes", "/networks",
        "/system/df", "/distribution/x/json", "/session", "/grpc", "/build", "/commit", "", "/", "/docker",
        "/containers//json", "//containers/json", "/containers/web//json", "/containers/web/json/", "/containers/../json",
        "/containers/web/../../secrets", "/containers/./json", "/containers/web/%6ason", "/containers/%2e%2e/secrets/json",
        "/containers/web%2f..%2f../secrets", "/containers/web/json%00", "/V1.41/containers/json", "/v1.41/v1.41/containers/json",
        "/v1.4/containers/json", "/v2.0/containers/json", "/v1.41", "/containers/web\\..\\x/json", "/containers/web;x/json",
        "/containers/web/json#x", "/containers/-web/json", "/containers/.web/json", "http://x/containers/json",
        "/containers/web/json ", " /containers/web/json", "/containers/wéb/json", "/containers/web\t/json",
        "/containers/" + "x" * 200 + "/json", "/containers/json?" + "a" * 5000,
    ],
)  # fmt: skip
def test_everything_else_is_refused(target: str) -> None:
    assert isinstance(judge("GET", target), DockerRefusal)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "get", "GET ", ""])
def test_only_get_looks(method: str) -> None:
    found = judge(method, "/containers/json")
    assert isinstance(found, DockerRefusal)
    assert found.status == 403


def test_head_is_for_the_ping_only() -> None:
    assert isinstance(judge("HEAD", "/_ping"), DockerRead)
    assert isinstance(judge("HEAD", "/containers/json"), DockerRefusal)


@pytest.mark.parametrize(
    "target",
    [
        "/containers/web/logs?follow=1", "/containers/web/logs?follow=true", "/containers/web/logs?details=1",
        "/containers/web/logs?tail=-1", "/containers/web/logs?tail=1&tail=2", "/containers/web/logs?since=1h",
        "/containers/web/logs?path=/etc", "/containers/web/json?size=1", "/containers/json?size=true", "/_ping?x=1",
        "/containers/web/logs?tail=%zz", "/containers/web/logs?tail=%ff", "/containers/web/logs?tail", "/containers/web/stats?x",
        "/containers/json?filters=x", "/containers/json?filters=[]", "/containers/json?filters=%7B%22before%22%3A%5B%22x%22%5D%7D",
        "/containers/json?filters=%7B%22name%22%3A3%7D", "/events?filters=%7B%22label%22%3A%5B%22x%22%5D%7D",
        "/containers/web/top?ps_args=e", "/containers/web/top?ps_args=-o+pid,args", "/containers/web/top?ps_args=-efe",
        "/images/json?filters=%7B%22label%22%3A%5B%22x%22%5D%7D",
        "/events?until=now", "/version?x", "/containers/json?filters=" + "[" * 3000,
    ],
)  # fmt: skip
def test_a_query_holds_what_is_known_and_nothing_else(target: str) -> None:
    assert isinstance(judge("GET", target), DockerRefusal)


def test_a_log_is_always_bounded_and_never_followed() -> None:
    read = judge("GET", "/v1.41/containers/web/logs?stdout=1&stderr=0&tail=999999999")
    assert isinstance(read, DockerRead)
    assert upstream_path(read, ID) == f"/v1.41/containers/{ID}/logs?stdout=1&follow=0&tail=2000"


def test_a_container_is_asked_for_by_its_full_id_only() -> None:
    with pytest.raises(ValueError, match="full id"):
        upstream_path(DockerRead(kind="inspect", container="web"), "web")


PIECES = st.sampled_from(
    ["/", "//", "..", ".", "%2e", "%2f", "%00", "%25", "/v1.41", "/containers", "/json", "/web", "/logs", "/stats", "/top", "/images", "ps_args=", "-ef", "aux", "/_ping", "/version",
     "/events", "/archive", "/exec", "/secrets", "?", "&", "=", "#", ";", "\\", "all=1", "follow=", "tail=", "since=", "until=", "1", "-1",
     "filters=", quote('{"name":["x"]}'), "http://", "@", ":", " ", "\r\n", "\0", "é", "/V1.41", "/v1.99", "stdout=1"]
)  # fmt: skip
TARGETS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=12).map("".join))


@given(st.sampled_from(["GET", "HEAD", "POST"]), TARGETS)
@example("GET", "/v1.41/containers/web/logs?since=1\n")
@example("GET", "/v1.41/containers/web/json\n")
def test_whatever_is_sent_the_engine_hears_only_words_of_ours(method: str, target: str) -> None:
    read = judge(method, target)
    if isinstance(read, DockerRead):
        assert UPSTREAM.fullmatch(upstream_path(read, ID if read.container else "", 17)), (target, read)
