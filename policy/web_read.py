"""Which pages a session may GET of a declared place. A GET can act too, so its words are not the session's own."""

from urllib.parse import urlsplit

from domain.health import HttpProbe
from domain.inventory import Inventory
from policy.addresses import place_of

# Pages that by custom only tell how a program is. Everything else must be the address of a declared probe.
HARMLESS = frozenset(
    {
        "/", "/health", "/healthz", "/health/live", "/health/ready", "/healthcheck", "/api/health", "/live", "/livez", "/ready",
        "/readyz", "/status", "/ping", "/version", "/api/version", "/metrics", "/-/healthy", "/-/ready", "/robots.txt",
    }
)  # fmt: skip
MAX_URL = 1_000


def refused_page(url: str, inventory: Inventory) -> str:
    """Why this address may not be asked for; "" where it may."""
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or any(c in url for c in " \\#"):
        return "the address is too long or holds unusual characters"
    if not url.startswith(("http://", "https://")):
        return "write the whole address, beginning with http:// or https://"
    host, port = place_of(url)
    if not host or not port:
        return "the address has no plain host and port"
    parts = urlsplit(url)
    if "@" in parts.netloc:
        return "an address with a name or password in it is not asked for"
    declared = [s.url for s in _probes(inventory)]
    places = {place_of(d) for d in declared}
    if (host, port) not in places:
        return f"{host}:{port} is no web address of a declared probe. Declared are: {', '.join(sorted(declared)[:20]) or 'none'}"
    if _page(url) in {_page(d) for d in declared} or (not parts.query and (parts.path or "/") in HARMLESS):
        return ""
    return "only addresses of declared probes, and pages such as /health, /status or /metrics, are asked for: a GET can act"


def accepts_any_certificate(url: str, inventory: Inventory) -> bool:
    """Whether the owner declared for this very place that its certificate is not judged."""
    same = [p for p in _probes(inventory) if place_of(p.url) == place_of(url)]
    return bool(same) and all(not p.verify_tls for p in same)


def _probes(inventory: Inventory) -> list[HttpProbe]:
    return [p for s in inventory.services for p in s.probes if isinstance(p, HttpProbe)]


def _page(url: str) -> tuple[str, str, int, str, str]:
    parts = urlsplit(url)
    return (parts.scheme, *place_of(url), parts.path or "/", parts.query)
