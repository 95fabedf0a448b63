"""`python -m demo.model --scenario FILE --port N`: serve until Ctrl-C or SIGTERM."""

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from demo.model.server import serve
from domain.errors import ConfigurationError

SCENARIOS = Path(__file__).parent / "scenarios"


async def _run(scenario: Path, host: str, port: int) -> None:
    running = await serve(scenario, host, port)
    print(f"scripted model: {running.url}", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await running.close()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m demo.model", description="A Messages API that follows a scenario file."
    )
    parser.add_argument(
        "--scenario", type=Path, default=SCENARIOS, help="a scenario file, or a folder of them (default: the demo's)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address (default: loopback)")
    parser.add_argument("--port", type=int, default=0, help="port; 0 takes a free one and prints it")
    given = parser.parse_args()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_run(given.scenario, given.host, given.port))
    except ConfigurationError as e:
        print(e, file=sys.stderr)
        return 2
    except OSError as e:
        print(f"cannot listen on {given.host}:{given.port} ({e.strerror}); choose another --port", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
