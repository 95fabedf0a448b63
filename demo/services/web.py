"""`python -m demo.services.web --config FILE [--test]`: a small shop. SIGHUP reads the configuration again."""

import argparse
import html
import json
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import psycopg

from demo.services import settings, store

NEEDED = ("port", "database", "title", "page_size", "catalogue")
NAME = "tiercel-demo-web"
FORM_BYTES = 4096


class Shop:
    """What all requests share."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = settings.read(path, *NEEDED)

    def reload(self) -> None:
        """Keep the old configuration where the new one is wrong."""
        try:
            fresh = settings.read(self.path, *NEEDED)
        except settings.BadConfigError as e:
            log(f"reload refused, the old configuration stays: {e}")
            return
        self.config = {**fresh, "port": self.config["port"]}
        log("configuration read again")

    def items(self) -> list[str]:
        """What is for sale. Raises OSError or ValueError where the catalogue cannot be used."""
        items: list[str] = json.loads(Path(self.config["catalogue"]).read_text(encoding="utf-8"))
        return items

    def health(self) -> tuple[int, dict[str, object]]:
        """A real round trip: catalogue read, a row written in the database, the cluster named."""
        answer: dict[str, object] = {"service": NAME, "status": "ok"}
        try:
            answer["items"] = len(self.items())
        except (OSError, ValueError) as e:
            return 500, {**answer, "status": "failing", "reason": f"the catalogue cannot be read: {e}"}
        try:
            with store.connect(self.config["database"], NAME) as connection:
                row = connection.execute(store.VISIT).fetchone()
                cluster = connection.execute(store.CLUSTER).fetchone()
        except psycopg.Error as e:
            return 503, {**answer, "status": "failing", "reason": f"the database does not work: {store.reason(e)}"}
        answer["visits"], answer["database"] = row and row[0], cluster and cluster[0]
        return 200, answer


class Handler(BaseHTTPRequestHandler):
    """GET /, GET /healthz, POST /orders."""

    shop: Shop
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        if self.path == "/healthz":
            status, answer = self.shop.health()
            if status != 200:
                log(f"unhealthy: {answer.get('reason')}")
            self._send(status, "application/json", json.dumps(answer))
        elif self.path == "/":
            self._page()
        else:
            self._send(404, "text/plain", "not here")

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        form = parse_qs(self.rfile.read(min(size, FORM_BYTES)).decode("utf-8", "replace"))
        item = form.get("item", [""])[0]
        if self.path != "/orders" or item not in self._try_items():
            self._send(400, "text/plain", "order one of the items")
            return
        try:
            with store.connect(self.shop.config["database"], NAME) as connection:
                row = connection.execute(store.ORDER, (item,)).fetchone()
        except psycopg.Error as e:
            self._send(503, "text/plain", f"the database does not work: {store.reason(e)}")
            return
        log(f"order {row and row[0]}: {item}")
        self._send(201, "application/json", json.dumps({"order": row and row[0]}))

    def _page(self) -> None:
        config = self.shop.config
        try:
            with store.connect(config["database"], NAME) as connection:
                rows = connection.execute(store.NEWEST, (config["page_size"],)).fetchall()
        except psycopg.Error as e:
            log(f"unhealthy: the database does not work: {store.reason(e)}")
            self._send(503, "text/plain", "the shop is closed: its database does not work")
            return
        options = "".join(f"<option>{html.escape(i)}" for i in self._try_items())
        orders = "".join(f"<li>{r[0]}: {html.escape(r[1])}, {'shipped' if r[3] else 'waiting'}" for r in rows)
        form = (
            f'<form method="post" action="/orders"><select name="item">{options}</select><button>Order</button></form>'
        )
        title = html.escape(config["title"])
        self._send(
            200,
            "text/html; charset=utf-8",
            f"<!doctype html><title>{title}</title><h1>{title}</h1>{form}<ol>{orders}</ol>",
        )

    def _try_items(self) -> list[str]:
        try:
            return self.shop.items()
        except (OSError, ValueError):
            return []

    def _send(self, status: int, kind: str, text: str) -> None:
        raw = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("X-Service", NAME)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Requests are not logged: every probe would be a line."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128  # a halted server must go on accepting: that is what makes a port check believe it healthy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no event."""


def log(text: str) -> None:
    """One line of the unit's log."""
    print(f"web: {text}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo.services.web")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--test", action="store_true", help="test the configuration and end")
    given = parser.parse_args()
    try:
        shop = Shop(given.config)
    except settings.BadConfigError as e:
        log(f"configuration error: {e}")
        return settings.EX_CONFIG
    if given.test:
        log("the configuration is valid")
        return 0
    try:
        items = shop.items()
        Handler.shop = shop
        server = Server(("127.0.0.1", shop.config["port"]), Handler)
    except (OSError, ValueError) as e:
        log(f"cannot start: {e}")
        return 1

    def on_signal(number: int, _: object) -> None:
        if number == signal.SIGHUP:
            shop.reload()
        else:
            threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGHUP, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    log(f"ready on port {shop.config['port']}, {len(items)} items for sale")
    server.serve_forever(poll_interval=0.1)
    log("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
