"""`python -m demo.services.worker --config FILE [--test]`: ships orders. Listens nowhere but for its health."""

import argparse
import json
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg

from demo.services import settings, store

NEEDED = ("port", "database", "interval_s")
NAME = "tiercel-demo-worker"
STALE_S = 5.0


class Beat:
    """When the last round ended well, and why the last one did not."""

    def __init__(self) -> None:
        self.at = time.monotonic()
        self.count = 0
        self.reason = "no round has ended yet"


class Handler(BaseHTTPRequestHandler):
    """GET /healthz."""

    beat: Beat
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        age = time.monotonic() - self.beat.at
        fresh = age < STALE_S and self.beat.count > 0
        answer: dict[str, object] = {"service": NAME, "status": "ok" if fresh else "failing", "rounds": self.beat.count}
        if not fresh:
            answer["reason"] = f"no round for {age:.0f} s: {self.beat.reason}"
        raw = json.dumps(answer).encode()
        self.send_response(200 if fresh else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Requests are not logged: every probe would be a line."""


def log(text: str) -> None:
    """One line of the unit's log."""
    print(f"worker: {text}", flush=True)


def ship(url: str, beat: Beat) -> None:
    """One round: ship what waits, leave a heartbeat."""
    try:
        with store.connect(url, NAME) as connection:
            shipped = connection.execute(store.SHIP).rowcount
            row = connection.execute(store.BEAT).fetchone()
    except psycopg.Error as e:
        if beat.reason != store.reason(e):
            log(f"round failed: the database does not work: {store.reason(e)}")
        beat.reason = store.reason(e)
        return
    if shipped:
        log(f"shipped {shipped} order(s)")
    beat.at, beat.count, beat.reason = time.monotonic(), int(row[0]) if row else 0, ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo.services.worker")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--test", action="store_true", help="test the configuration and end")
    given = parser.parse_args()
    try:
        config = settings.read(given.config, *NEEDED)
    except settings.BadConfigError as e:
        log(f"configuration error: {e}")
        return settings.EX_CONFIG
    if given.test:
        log("the configuration is valid")
        return 0
    stop = threading.Event()

    def on_signal(_number: int, _frame: object) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    Handler.beat = Beat()
    try:
        server = ThreadingHTTPServer(("127.0.0.1", config["port"]), Handler)
    except OSError as e:
        log(f"cannot start: {e}")
        return 1
    threading.Thread(target=server.serve_forever, daemon=True).start()
    log(f"ready, one round every {config['interval_s']:g} s")
    while not stop.is_set():
        ship(config["database"], Handler.beat)
        stop.wait(config["interval_s"])
    log("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
