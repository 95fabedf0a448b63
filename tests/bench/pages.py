"""What a page costs over HTTP when the record is full: 1,000 and 100,000 incidents with sessions; `--large` a million.

The same page is asked for at every size in turn, so that whatever else the machine does then is felt by all of them.
Goal: any page under 50 ms at the 95th percentile, and under 1.5 times its own time at the smallest size. Downloads and
a search through the whole long log are shown beside it: what they read is the same at every size.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from adapters.database.migrate import migrate
from adapters.database.pool import Pool
from tests.bench.figures import percentile, show
from tests.bench.page_data import filled
from tests.bench.page_paths import paths, whole_log_paths
from tests.support.browser import dashboard, settings_for
from tests.support.postgres import TestServer

SIZES = (1_000, 100_000)
LARGE = 1_000_000
WARM_UP, REQUESTS = 4, 60
WHOLE_LOGS = 12  # requests of what takes long and has no goal
NOWHERE = "127.0.0.1:1"  # no engine: only the record is measured
KEPT = Path(__file__).parents[2] / ".dev" / "bench-pages"

Times = dict[str, list[float]]  # name of a page to milliseconds


class Full:
    """A dashboard over a record of one size, and what to ask it for."""

    def __init__(self, web: aiohttp.ClientSession, asked: dict[str, str]) -> None:
        self.asked = asked
        self.found: Times = {name: [] for name in asked}
        self._web = web

    async def ask(self, name: str, *, count: bool) -> None:
        """One whole answer."""
        began = time.perf_counter()
        async with self._web.get(self.asked[name]) as answer:
            await answer.read()
            assert answer.status == 200, f"{self.asked[name]}: {answer.status}"
        if count:
            self.found[name].append((time.perf_counter() - began) * 1000)


async def opened(stack: AsyncExitStack, url: str, size: int, home: Path, only: str) -> Full:
    """A dashboard for one of the records."""
    pool = await stack.enter_async_context(Pool(url))
    site = await stack.enter_async_context(dashboard(pool, settings_for(url, home, temporal_address=NOWHERE)))
    web = await stack.enter_async_context(aiohttp.ClientSession(site.url))
    middle = await site.site.insights.incident(f"inc_bench_{size // 2:08}")
    pending, _ = await site.site.insights.approvals()
    assert middle is not None
    every = {**paths(size, middle.row.opened_at, pending[0].id), **whole_log_paths(size)}
    return Full(web, {name: path for name, path in every.items() if only in name})


async def measure(urls: dict[int, str], home: Path, only: str) -> list[Times]:
    """Every page, at every size in turn; who comes first changes from round to round."""
    async with AsyncExitStack() as stack:
        records = [await opened(stack, url, size, home, only) for size, url in urls.items()]
        for name in records[0].asked:
            rounds = WHOLE_LOGS if name in whole_log_paths(0) else REQUESTS
            for n in range(-WARM_UP, rounds):
                for record in records if n % 2 else reversed(records):
                    await record.ask(name, count=n >= 0)
        return [record.found for record in records]


def ratio(name: str, share: float, found: Sequence[Times]) -> float:
    """How many times as long as at the smallest size it takes at the largest."""
    return percentile(found[-1][name], share) / percentile(found[0][name], share)


def report(sizes: Sequence[int], found: Sequence[Times]) -> None:
    """Per page and size p50 and p95, and what they are of the smallest size's."""
    print(f"\n{'page':<42}" + "".join(f"{size:>12,} p50   p95" for size in sizes) + "    ratio p50   p95")
    for name in found[0]:
        cells = "".join(f"{percentile(f[name], 0.5):>16.1f} {percentile(f[name], 0.95):>5.1f}" for f in found)
        print(f"{name:<42}{cells}   {ratio(name, 0.5, found):>10.2f} {ratio(name, 0.95, found):>5.2f}")
    goal = [name for name in found[0] if name not in whole_log_paths(0)]
    slowest, name = max((percentile(found[-1][name], 0.95), name) for name in goal)
    print()
    show(f"slowest page at {sizes[-1]:,} ({name}), p95", f"{slowest:.1f} ms", "under 50 ms")
    if len(found) > 1:
        for share in (0.5, 0.95):
            worst, name = max((ratio(name, share, found), name) for name in goal)
            show(f"largest ratio of p{share * 100:.0f} to {sizes[0]:,} ({name})", f"{worst:.2f}", "under 1.5")


def new_template(url: str) -> None:
    """Bring a database to the newest schema."""
    asyncio.run(migrate(url))


def run(sizes: Sequence[int], *, keep: bool, only: str) -> None:
    """Fill what is not there, measure, tell."""
    if keep:
        KEPT.mkdir(parents=True, exist_ok=True)
    server = TestServer(KEPT if keep else None)
    try:
        server.start()
        server.make_template(new_template)
        urls = {size: filled(server, size) for size in sizes}
        with tempfile.TemporaryDirectory(prefix="tiercel-bench-") as home:
            report(sizes, asyncio.run(measure(urls, Path(home), only)))
    finally:
        server.stop(keep=keep)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="./dev bench pages", description=__doc__)
    parser.add_argument("--large", action="store_true", help="also a million (minutes, 3 GB of disk)")
    parser.add_argument("--small", action="store_true", help="only a thousand")
    parser.add_argument(
        "--keep", action="store_true", help="leave the records in .dev for the next run, which uses them"
    )
    parser.add_argument("--only", default="", metavar="WORDS", help="only pages whose name has these words")
    asked = parser.parse_args()
    sizes = SIZES[:1] if asked.small else (*SIZES, LARGE) if asked.large else SIZES
    run(sizes, keep=asked.keep, only=asked.only)


if __name__ == "__main__":
    main()
