"""Runs many probes side by side, each within its own time limit."""

import asyncio
import os
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import aiohttp

from adapters.probes.addresses import Addresses, GuardedResolver
from adapters.probes.http_probe import tracing
from adapters.probes.outcome import RAW_CHARS, Outcome, block, error, one_line
from adapters.probes.registry import RUNS, WIDTH, timed_out
from adapters.probes.tools import ContainerLook, Tools, UnitLook
from domain.health import ProbeResult, ProbeSpec
from domain.inventory import Service
from domain.ports import Clock

_GRACE_S = 0.25  # a probe that watches its own clock may say more than the runner could


class ProbeRunner:
    """Implements domain.ports.Prober. One instance serves a whole process; `close` it at the end."""

    def __init__(
        self,
        *,
        clock: Clock,
        redact: Callable[[str], str],
        units: UnitLook | None = None,
        containers: ContainerLook | None = None,
        commands_dir: Path | None = None,
        environ: Mapping[str, str] | None = None,
        at_once: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redact = redact
        self._slots = asyncio.Semaphore(at_once or _affordable())
        self._widths = {kind: asyncio.Semaphore(n) for kind, n in WIDTH.items()}
        self._session: aiohttp.ClientSession | None = None
        self._addresses = Addresses()
        self._tools = Tools(
            clock=clock,
            monotonic=monotonic,
            addresses=self._addresses,
            http=self._http,
            environ=os.environ if environ is None else environ,
            commands_dir=commands_dir,
            units=units,
            containers=containers,
        )

    async def probe(self, service: Service) -> tuple[ProbeResult, ...]:
        """All probes of one service, in declared order."""
        return await self.probe_all((service,))

    async def probe_all(self, services: Sequence[Service]) -> tuple[ProbeResult, ...]:
        """All probes of all services, in declared order. A service without probes gives nothing."""
        jobs = [self._one(service, spec, name) for service in services for spec, name in _named(service.probes)]
        return tuple(await asyncio.gather(*jobs))

    async def close(self) -> None:
        """Let go of connections and threads."""
        if self._session is not None:
            await self._session.close()
        self._addresses.close()

    async def _one(self, service: Service, spec: ProbeSpec, name: str) -> ProbeResult:
        # Waiting for a slot is not the service's fault, so it is outside the time limit and the latency.
        async with self._slots:
            width = self._widths.get(spec.kind)
            if width is None:
                return await self._timed(service, spec, name)
            async with width:
                return await self._timed(service, spec, name)

    async def _timed(self, service: Service, spec: ProbeSpec, name: str) -> ProbeResult:
        started = self._tools.monotonic()
        outcome = await self._guarded(service.node, spec)
        return ProbeResult(
            service=service.id,
            probe=name,
            kind=spec.kind,
            status=outcome.status,
            at=self._tools.clock.now(),
            latency_ms=round((self._tools.monotonic() - started) * 1000, 2),
            summary=one_line(self._clean(outcome.summary)),
            evidence=block(self._clean(outcome.evidence)),
            identity=outcome.identity,
            hard=spec.hard,
        )

    async def _guarded(self, node: str, spec: ProbeSpec) -> Outcome:
        try:
            async with asyncio.timeout(spec.timeout_s + _GRACE_S):
                return await RUNS[spec.kind](spec, replace(self._tools, node=node))
        except TimeoutError:
            return timed_out(spec.kind, spec.timeout_s)
        except Exception as e:  # noqa: BLE001 - the contract: one broken probe must not end the sweep
            return error(f"the probe itself broke: {type(e).__name__}: {e}")

    def _clean(self, text: str) -> str:
        """Redact before anything is cut: half a secret would no longer be recognised."""
        return self._redact(text[:RAW_CHARS])

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=0,
                use_dns_cache=False,
                resolver=GuardedResolver(self._addresses),
                force_close=True,
                happy_eyeballs_delay=None,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                trace_configs=[tracing()],
            )
        return self._session


def _affordable() -> int:
    """How many probes may hold a socket at once.

    Wide, so that a dead network costs few time limits in a row, but never so wide that the process runs out of
    descriptors for everything else.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(50, min(500, soft // 2)) if soft != resource.RLIM_INFINITY else 500


def _named(specs: Sequence[ProbeSpec]) -> list[tuple[ProbeSpec, str]]:
    """Every probe with a name that is unique within its service."""
    seen: dict[str, int] = {}
    named: list[tuple[ProbeSpec, str]] = []
    for spec in specs:
        base = spec.name or spec.kind
        seen[base] = seen.get(base, 0) + 1
        named.append((spec, base if seen[base] == 1 else f"{base}-{seen[base]}"))
    return named
