"""redis: PING, whether writes are refused, memory share, and the server's run id."""

import asyncio

from adapters.probes.addresses import BlockedAddressError, UnresolvedError
from adapters.probes.outcome import Outcome, error, fail, ok, one_line, warn
from adapters.probes.tools import Tools, password_for
from domain.health import RedisProbe

REPLY_BYTES = 262_144


class ReplyError(Exception):
    """The server answered with an error line."""


async def run(spec: RedisProbe, tools: Tools) -> Outcome:
    """FAIL where the server is silent, refuses writes, or is another one than declared."""
    where = f"{spec.host}:{spec.port}"
    password = password_for(spec.password_env, spec.host, tools.environ)
    if isinstance(password, Outcome):
        return password
    try:
        address = (await tools.addresses.resolve(spec.host))[0]
        reader, writer = await asyncio.open_connection(address, spec.port, limit=REPLY_BYTES)
    except BlockedAddressError as e:
        return error(f"{one_line(str(e))}; remove this probe")
    except UnresolvedError as e:
        return fail(one_line(str(e)))
    except OSError as e:
        return fail(f"no connection to {where}: {e.strerror or e}")
    try:
        return await _ask(spec, where, password, reader, writer)
    except ReplyError as e:
        return fail(one_line(str(e)), f"{where}\n{e}")
    except (OSError, EOFError, ValueError) as e:
        return fail(f"{where} does not speak redis, or broke off: {one_line(str(e) or type(e).__name__, 120)}")
    finally:
        writer.close()


async def _ask(
    spec: RedisProbe, where: str, password: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Outcome:
    if password:
        await _call(reader, writer, "AUTH", password)
    try:
        await _call(reader, writer, "PING")
    except ReplyError as e:
        if str(e).startswith("LOADING"):
            return warn("the server is loading its data", f"{where}\n{e}")
        raise
    info = _fields(await _call(reader, writer, "INFO"))
    identity = info.get("run_id", "")
    evidence = f"{where}\n" + "\n".join(f"{k}: {info[k]}" for k in _SHOWN if k in info)
    if spec.identity and identity != spec.identity:
        return fail(f"another redis answers (run id {identity or 'unknown'})", evidence, identity)
    refusal = await _write_refusal(reader, writer)
    if refusal:
        return fail(f"writes are refused: {one_line(refusal, 150)}", evidence, identity)
    used, limit = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if limit and used > limit * spec.max_memory_share and info.get("maxmemory_policy") == "noeviction":
        return warn(
            f"{used * 100 // limit} % of the memory limit is in use and nothing may be evicted", evidence, identity
        )
    return ok(f"answers, role {info.get('role', 'unknown')}", evidence, identity)


_SHOWN = (
    "redis_version", "run_id", "role", "uptime_in_seconds", "connected_clients", "blocked_clients", "used_memory_human",
    "maxmemory_human", "maxmemory_policy", "evicted_keys", "rdb_last_bgsave_status", "aof_last_write_status",
)  # fmt: skip


async def _write_refusal(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """Try a write that changes nothing: an empty SETRANGE of a missing key passes all of the server's write gates."""
    try:
        await _call(reader, writer, "SETRANGE", "tiercel:probe", "0", "")
    except ReplyError as e:
        word = str(e).split(" ", 1)[0]
        return str(e) if word in {"MISCONF", "OOM", "CLUSTERDOWN"} else ""  # READONLY: a replica; NOPERM: our role
    return ""


async def _call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *words: str) -> str:
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        raw = word.encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(raw), raw))
    writer.write(b"".join(parts))
    await writer.drain()
    line = (await reader.readuntil(b"\r\n"))[:-2].decode("utf-8", "replace")
    mark, rest = line[:1], line[1:]
    if mark == "-":
        raise ReplyError(rest)
    if mark in {"+", ":"}:
        return rest
    if mark == "$":
        size = int(rest)
        if not 0 <= size <= REPLY_BYTES:
            raise ValueError(f"a reply of {size} bytes")
        return (await reader.readexactly(size + 2))[:-2].decode("utf-8", "replace")
    raise ValueError(f"unexpected reply {line[:60]!r}")


def _fields(text: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {key: value for key, sep, value in pairs if sep}
