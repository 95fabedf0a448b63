"""Checks of the settings by which sessions run on another machine than the gateway with the credential."""

from ipaddress import ip_address
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from pydantic import SecretStr

LEAST_SECRET = 32  # characters
MAKE_ONE = "make one with `openssl rand -hex 32`"
NO_SECRET = f"TIERCEL_GATEWAY_SECRET: it is missing, and both machines need the same; {MAKE_ONE}"


class Given(Protocol):
    """The settings concerned."""

    @property
    def gateway_listen(self) -> str: ...
    @property
    def gateway_url(self) -> str: ...
    @property
    def gateway_cert(self) -> Path | None: ...
    @property
    def gateway_cert_key(self) -> Path | None: ...
    @property
    def anthropic_api_key(self) -> SecretStr | None: ...
    @property
    def claude_oauth_token(self) -> SecretStr | None: ...
    @property
    def credential(self) -> str: ...
    @property
    def scripted(self) -> bool: ...
    @property
    def database_url(self) -> SecretStr | None: ...
    @property
    def max_sessions(self) -> int: ...
    @property
    def temporal_address(self) -> str: ...


def place(text: str) -> tuple[str, int]:
    """`address:port` in its parts. Raises ValueError with the fix."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        shown = "127.0.0.1" if host == "localhost" else str(ip_address(host))
        number = int(port)
    except ValueError:
        number, shown = 0, ""
    if not shown or not 0 < number < 65536:
        raise ValueError(f"'{text}' is no address and port; write, for example, 192.168.1.10:9443 or [::]:9443")
    return shown, number


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def far_place(url: str) -> tuple[str, int, bool]:
    """Host, port and whether by TLS, of the other gateway's address. Raises ValueError with the fix."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 0
    except ValueError:
        parts, host, port = urlsplit(""), "", 0
    if parts.scheme not in {"https", "http"} or not host or not port or parts.path.strip("/") or parts.query:
        raise ValueError(f"'{url[:100]}' is no gateway's address; write https://name:port and nothing behind it")
    if parts.username is not None:
        raise ValueError("the address holds a name or password; put the secret into TIERCEL_GATEWAY_SECRET")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError(
            "without TLS everybody on the way can read and use the tokens; write https://, or lead a tunnel to 127.0.0.1"
        )
    return host, port, parts.scheme == "https"


def problem(given: Given) -> tuple[str, str]:
    """The field that is wrong together with the others, and why with the fix; two empty texts where nothing is."""
    if not given.gateway_listen and not given.gateway_url:
        return "", ""
    if given.gateway_listen and given.gateway_url:
        return "gateway_url", "a gateway lets other machines in or leads to one, not both; unset one of them"
    return _listening(given) if given.gateway_listen else _leading(given)


def _listening(given: Given) -> tuple[str, str]:
    if (given.gateway_cert is None) != (given.gateway_cert_key is None):
        missing = "gateway_cert" if given.gateway_cert is None else "gateway_cert_key"
        return missing, "certificate and key belong together, and one is missing; set both"
    if given.gateway_cert is None and not is_loopback(place(given.gateway_listen)[0]):
        return "gateway_listen", (
            "without TLS everybody on the network can read and use the tokens; "
            "set TIERCEL_GATEWAY_CERT and TIERCEL_GATEWAY_CERT_KEY, or listen on 127.0.0.1 and lead a tunnel there"
        )
    return "", ""


def _leading(given: Given) -> tuple[str, str]:
    if given.anthropic_api_key or given.claude_oauth_token:
        return "gateway_url", (
            "the credential stays with the other gateway, and this machine needs none; "
            "unset ANTHROPIC_API_KEY and CLAUDE_CODE_OAUTH_TOKEN here"
        )
    if not given.credential and not given.scripted:
        return "credential", (
            "sessions must know of which kind the other gateway's credential is; set it to api_key or oauth"
        )
    if not given.max_sessions:
        return "max_sessions", "this machine would run no session, and runs nothing else; set it to 1 or more"
    if given.database_url is None:
        return "gateway_url", "this machine then works for another one's record; set DATABASE_URL to that"
    if not given.temporal_address:
        return "gateway_url", "this machine then works for another one's Temporal; set TEMPORAL_ADDRESS to that"
    return "", ""
