"""tcp: connect, and where declared, wait for a banner."""

import asyncio

from adapters.probes.addresses import BlockedAddressError, UnresolvedError
from adapters.probes.outcome import Outcome, error, fail, ok, one_line
from adapters.probes.patterns import compile_safe
from adapters.probes.tools import Tools
from domain.health import TcpProbe

BANNER_BYTES = 1024


async def run(spec: TcpProbe, tools: Tools) -> Outcome:
    """FAIL where the port is closed or the banner never comes."""
    where = f"{spec.host}:{spec.port}"
    try:
        pattern = compile_safe(spec.banner) if spec.banner else None
        address = (await tools.addresses.resolve(spec.host))[0]
        reader, writer = await asyncio.open_connection(address, spec.port)
    except ValueError as e:
        return error(f"banner: {e}")
    except BlockedAddressError as e:
        return error(f"{one_line(str(e))}; remove this probe")
    except UnresolvedError as e:
        return fail(one_line(str(e)))
    except OSError as e:
        return fail(f"no connection to {where}: {e.strerror or e}", f"connect {where}: {e}")
    seen = ""
    try:
        while pattern is not None:
            chunk = await reader.read(BANNER_BYTES)
            seen = (seen + chunk.decode("utf-8", "replace"))[:BANNER_BYTES]
            if pattern.search(seen):
                return ok(f"{where} answers as declared", f"connect {where}\n{seen}")
            if not chunk or len(seen) >= BANNER_BYTES:
                return fail(f"{where} answers, but not with the declared banner", f"connect {where}\n{seen}")
    except OSError as e:
        return fail(f"{where} broke off: {e.strerror or e}", f"connect {where}\n{seen}")
    finally:
        writer.close()
    return ok(f"{where} accepts connections", f"connect {where}")
