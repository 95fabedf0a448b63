"""Which names a session may be led to. What is on no list is not even asked for."""

from collections.abc import Collection, Sequence

from domain.base import Value
from domain.errors import ConfigurationError
from policy.addresses import Place, plain_host

USUAL_PORTS = (80, 443)
MAX_DOMAINS = 100


class Domain(Value):
    """One entry of a list. `below`: every name under `host`, but not `host` itself. `port` 0: the usual two."""

    host: str
    port: int = 0
    below: bool = False

    def means(self, host: str) -> bool:
        """Whether a plain host is meant."""
        return host.endswith("." + self.host) if self.below else host == self.host


def parse_domain(text: str) -> Domain:
    """`example.org`, `*.example.org` or `git.lan:3000`. Raises ConfigurationError."""
    bare = text.strip()
    below = bare.startswith("*.")
    name, port = _port_of(bare.removeprefix("*."))
    host = plain_host(name)
    if not host or port is None:
        raise ConfigurationError(
            f"'{bare[:80]}' is no domain; write a name such as api.example.org, *.example.org or git.example.org:3000"
        )
    if below and ("." not in host or host.replace(".", "").isdigit() or ":" in host):
        raise ConfigurationError(f"'{bare[:80]}' would mean far too much; name the domain below which it may go")
    return Domain(host=host, port=port, below=below)


def parse_domains(texts: Collection[str]) -> tuple[Domain, ...]:
    """All of a list. Raises ConfigurationError for the first that is wrong, or where there are too many."""
    if len(texts) > MAX_DOMAINS:
        raise ConfigurationError(f"{len(texts)} domains are too many; at most {MAX_DOMAINS}")
    return tuple(parse_domain(text) for text in texts)


def refused_name(domains: Sequence[Domain], host: str, port: int, declared: Collection[Place]) -> str:
    """Why a plain host and port are not for this session; "" where they are."""
    meant = [d for d in domains if d.means(host)]
    if not meant:
        return f"{host} is not on this session's list of domains"
    ports = {p for d in meant for p in ((d.port,) if d.port else USUAL_PORTS)}
    if port in ports or (host, port) in declared:
        return ""
    return f"port {port} of {host} is not on this session's list of domains"


def _port_of(text: str) -> tuple[str, int | None]:
    """Host and port; 0 where none is given, None where it is no port."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or (":" in host and not host.endswith("]")):
        return text, 0  # no port, or an IPv6 address without brackets
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        return host, None
    return host, int(port)
