"""dns: resolve a name and compare the answers."""

import ipaddress
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.resolver

from adapters.probes.addresses import BlockedAddressError, UnresolvedError
from adapters.probes.outcome import Outcome, error, fail, ok, one_line
from adapters.probes.tools import Tools
from domain.health import DnsProbe


async def run(spec: DnsProbe, tools: Tools) -> Outcome:
    """FAIL on no such name, no answer, a server that fails, or answers that lack a declared value."""
    asked = f"{spec.record} {spec.query}" + (f" at {spec.server}:{spec.port}" if spec.server else "")
    try:
        resolver = await _resolver(spec, tools)
        answer = await resolver.resolve(spec.query, spec.record, raise_on_no_answer=True, search=False)
    except BlockedAddressError as e:
        return error(f"{one_line(str(e))}; remove this probe")
    except UnresolvedError as e:
        return fail(f"the name server {one_line(str(e))}", asked)
    except dns.resolver.NXDOMAIN:
        return fail(f"no such name: {spec.query}", f"{asked}\nNXDOMAIN")
    except dns.resolver.NoAnswer:
        return fail(f"{spec.query} has no {spec.record} record", f"{asked}\nno answer")
    except dns.resolver.NoNameservers as e:
        return fail(f"the name server fails for {spec.query}", f"{asked}\n{e}")
    except dns.exception.Timeout:
        return fail(f"no answer for {spec.query} within {spec.timeout_s:g} s", asked)
    except (dns.exception.DNSException, OSError, ValueError) as e:
        return error(f"cannot ask: {one_line(str(e) or type(e).__name__)}", asked)
    rows: list[Any] = list(answer.rrset or [])
    found = [_plain(str(row.to_text())) for row in rows]
    evidence = f"{asked}\n" + "\n".join(found)
    missing = [v for v in spec.expect if _plain(v) not in found]
    if missing:
        return fail(f"{spec.query} answers {', '.join(found)}, not {', '.join(missing)}", evidence)
    return ok(f"{spec.query} is {', '.join(found)}", evidence)


async def _resolver(spec: DnsProbe, tools: Tools) -> dns.asyncresolver.Resolver:
    resolver = dns.asyncresolver.Resolver(configure=not spec.server)
    if spec.server:
        resolver.nameservers = list(await tools.addresses.resolve(spec.server))
        resolver.port = spec.port
    # A little less than the runner's limit, so that the resolver's own words are kept.
    resolver.lifetime = spec.timeout_s * 0.9
    resolver.timeout = min(2.0, spec.timeout_s * 0.45)
    return resolver


def _plain(value: str) -> str:
    text = value.strip().strip('"')
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text.rstrip(".").casefold()
