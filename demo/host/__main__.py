"""`python -m demo.host --root DIR`: run the demo's services until Ctrl-C or SIGTERM."""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from demo.host.declare import declare
from demo.host.manager import Manager
from demo.host.place import hold, host_file, repos_dir, socket_path
from demo.host.shop import Shop
from domain.errors import TiercelError


def say(text: str) -> None:
    print(f"host: {text}", flush=True)


async def run(root: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    lock = await hold(root)
    host_file(root).unlink(missing_ok=True)
    shop = Shop(root)
    manager = Manager(root, shop.definitions(), say, lock)
    server = await manager.serve(socket_path(root))
    try:
        starting = asyncio.create_task(manager.start_all())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            await starting
            declare(shop, repos_dir(root))
            _announce(root, shop)
            say("ready")
        await stop.wait()
        await starting
    finally:
        host_file(root).unlink(missing_ok=True)
        server.close()
        await manager.stop_all()
        shop.database.release()
        manager.close()
        os.close(lock)


def _announce(root: Path, shop: Shop) -> None:
    fresh = host_file(root).with_suffix(".new")
    row = {"pid": os.getpid(), "ports": shop.ports, "socket": str(socket_path(root)), "repos": str(repos_dir(root))}
    fresh.write_text(json.dumps({**row, "database_url": shop.database.url}), encoding="utf-8")
    fresh.replace(host_file(root))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m demo.host", description="The demo's real services and their manager."
    )
    parser.add_argument("--root", type=Path, required=True, help="folder for everything they keep")
    root: Path = parser.parse_args().root.absolute()
    try:
        asyncio.run(run(root))
    except (TiercelError, OSError) as e:
        print(f"host: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
