"""Settings for sessions on another machine: what does not fit together is named, with the fix."""

from pathlib import Path

import pytest

from config.remote_tls import client_tls, server_tls
from config.settings import load
from domain.errors import ConfigurationError
from tests.support.outside import certificates

SECRET = "0123456789abcdef0123456789abcdef"
FAR = {
    "TIERCEL_GATEWAY_URL": "https://nas.lan:9443",
    "TIERCEL_GATEWAY_SECRET": SECRET,
    "TIERCEL_CREDENTIAL": "oauth",
    "DATABASE_URL": "postgresql://x:y@nas.lan/z",
    "TEMPORAL_ADDRESS": "nas.lan:7233",
}


@pytest.mark.parametrize(
    ("given", "name", "words"),
    [
        ({"TIERCEL_GATEWAY_LISTEN": "0.0.0.0:9443"}, "TIERCEL_GATEWAY_LISTEN", "without TLS.*TIERCEL_GATEWAY_CERT"),
        ({"TIERCEL_GATEWAY_LISTEN": "[::]:9443"}, "TIERCEL_GATEWAY_LISTEN", "without TLS"),
        ({"TIERCEL_GATEWAY_LISTEN": "nas.lan:9443"}, "TIERCEL_GATEWAY_LISTEN", "no address and port"),
        ({"TIERCEL_GATEWAY_LISTEN": "127.0.0.1"}, "TIERCEL_GATEWAY_LISTEN", "no address and port"),
        ({"TIERCEL_GATEWAY_LISTEN": "127.0.0.1:99999"}, "TIERCEL_GATEWAY_LISTEN", "no address and port"),
        (
            {"TIERCEL_GATEWAY_LISTEN": "0.0.0.0:9443", "TIERCEL_GATEWAY_CERT": "/c.pem"},
            "TIERCEL_GATEWAY_CERT_KEY",
            "belong together",
        ),
        ({"TIERCEL_GATEWAY_SECRET": "short"}, "TIERCEL_GATEWAY_SECRET", "32 plain characters.*openssl rand"),
        ({"TIERCEL_GATEWAY_SECRET": "a b" * 20}, "TIERCEL_GATEWAY_SECRET", "plain characters"),
        (FAR | {"TIERCEL_GATEWAY_URL": "http://nas.lan:9443"}, "TIERCEL_GATEWAY_URL", "without TLS.*tunnel"),
        (FAR | {"TIERCEL_GATEWAY_URL": "https://nas.lan"}, "TIERCEL_GATEWAY_URL", "no gateway's address"),
        (FAR | {"TIERCEL_GATEWAY_URL": "https://x:y@nas.lan:1"}, "TIERCEL_GATEWAY_URL", "TIERCEL_GATEWAY_SECRET"),
        (FAR | {"TIERCEL_GATEWAY_LISTEN": "127.0.0.1:9443"}, "TIERCEL_GATEWAY_URL", "not both"),
        (FAR | {"ANTHROPIC_API_KEY": "sk-ant-api03-x"}, "TIERCEL_GATEWAY_URL", "unset ANTHROPIC_API_KEY"),
        (FAR | {"TIERCEL_CREDENTIAL": ""}, "TIERCEL_CREDENTIAL", "api_key or oauth"),
        (FAR | {"TIERCEL_MAX_SESSIONS": "0"}, "TIERCEL_MAX_SESSIONS", "1 or more"),
        (FAR | {"DATABASE_URL": ""}, "TIERCEL_GATEWAY_URL", "set DATABASE_URL"),
        (FAR | {"TEMPORAL_ADDRESS": ""}, "TIERCEL_GATEWAY_URL", "set TEMPORAL_ADDRESS"),
    ],
)
def test_what_does_not_fit_is_one_line_with_the_variable_and_the_fix(given: dict[str, str], name: str, words: str):
    with pytest.raises(ConfigurationError, match=rf"^{name}: .*{words}") as e:
        load(given)
    assert "\n" not in str(e.value)
    assert "; " in str(e.value), "cause; fix"
    assert SECRET not in str(e.value)


def test_both_sides_without_a_secret_are_told_which_one_is_missing():
    for given in ({"TIERCEL_GATEWAY_LISTEN": "127.0.0.1:9443"}, FAR | {"TIERCEL_GATEWAY_SECRET": ""}):
        with pytest.raises(ConfigurationError, match="TIERCEL_GATEWAY_SECRET: it is missing.*openssl rand"):
            load(given).shared_secret()
    assert load({}).shared_secret() == ""
    assert load(FAR).shared_secret() == SECRET


def test_the_address_is_taken_as_written():
    assert load({"TIERCEL_GATEWAY_LISTEN": "localhost:9443"}).entrance == ("127.0.0.1", 9443)
    assert load({"TIERCEL_GATEWAY_LISTEN": "[::1]:9443"}).entrance == ("::1", 9443)
    assert load({}).entrance is None


def test_files_that_are_no_certificate_are_named(tmp_path: Path):
    authority, certificate, key = certificates(tmp_path, "localhost")
    here = {"TIERCEL_GATEWAY_LISTEN": "0.0.0.0:9443", "TIERCEL_GATEWAY_CERT": str(certificate)}
    assert server_tls(load(here | {"TIERCEL_GATEWAY_CERT_KEY": str(key)}))
    with pytest.raises(ConfigurationError, match=r"^TIERCEL_GATEWAY_CERT_KEY: cannot read .*; check the path"):
        server_tls(load(here | {"TIERCEL_GATEWAY_CERT_KEY": str(tmp_path / "none")}))
    with pytest.raises(ConfigurationError, match=r"^TIERCEL_GATEWAY_CERT: .* no certificate and its key"):
        server_tls(load(here | {"TIERCEL_GATEWAY_CERT_KEY": str(certificate)}))
    assert client_tls(load(FAR | {"TIERCEL_GATEWAY_CA": str(authority)}))
    with pytest.raises(ConfigurationError, match=r"^TIERCEL_GATEWAY_CA: .*; write the file anew"):
        client_tls(load(FAR | {"TIERCEL_GATEWAY_CA": str(key)}))
    assert client_tls(load(FAR | {"TIERCEL_GATEWAY_URL": "http://127.0.0.1:9443"})) is None
