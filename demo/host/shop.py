"""The demo's units: a database, a web shop on it, its worker; Redis and nginx where they are installed."""

import asyncio
import json
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psycopg

from adapters.database.server import PostgresServer
from demo.host import ports
from demo.host.definition import Definition
from demo.services import store

ITEMS = ["a jess", "a lure", "a hood", "a bell"]


class Shop:
    """Everything below one root folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.etc, self.data, self.run = root / "etc", root / "data", root / "run"
        self.ports: dict[str, int] = {}
        self.cluster = ""
        self.database = PostgresServer(root / "database", options={"log_timezone": "UTC", "max_connections": "50"})

    def definitions(self) -> tuple[Definition, ...]:
        """In the order of start. Creates what does not exist yet."""
        for folder in (self.etc, self.data, self.run):
            folder.mkdir(parents=True, exist_ok=True)
        if not self.catalogue.exists() and not (self.root / "lost").exists():
            self.catalogue.write_text(json.dumps(ITEMS), encoding="utf-8")
        redis, nginx = shutil.which("redis-server"), shutil.which("nginx")
        optional = (*(("cache",) if redis else ()), *(("proxy",) if nginx else ()))
        self.ports = ports.choose(self.run / "ports.json", ("web", "worker", *optional))
        found = [self._database(), self._web(), self._worker()]
        if redis:
            found.append(self._cache(redis))
        if nginx:
            found.append(self._proxy(nginx))
        return tuple(found)

    @property
    def catalogue(self) -> Path:
        """What the shop sells; lies beside the configuration, so no recreate brings it back."""
        return self.data / "catalogue.json"

    def _database(self) -> Definition:
        async def ready() -> bool:
            if not await self.database.ready():
                return False
            async with await psycopg.AsyncConnection.connect(self.database.url, autocommit=True) as connection:
                await connection.execute(store.SCHEMA)
                row = await (await connection.execute(store.CLUSTER)).fetchone()
            self.cluster = str(row[0]) if row else ""
            return True

        return Definition(
            name="database",
            about="PostgreSQL cluster of the shop",
            argv=lambda: self.database.argv,
            spawn=lambda: {**self.database.spawn_options, "env": self.database.environment},
            prepare=self.database.prepare,
            ready=ready,
            stop=signal.SIGINT,
            parent_death=signal.SIGINT,
            reload=signal.SIGHUP,
            ready_s=60.0,
            grace_s=5.0,
        )

    def _python(self, name: str, about: str, text: Callable[[], str], reload: signal.Signals | None) -> Definition:
        config = self.etc / f"{name}.toml"
        argv = (sys.executable, "-m", f"demo.services.{name}", "--config", str(config))
        return Definition(
            name=name,
            about=about,
            argv=lambda: argv,
            config=config,
            config_text=text,
            test=(*argv, "--test"),
            reload=reload,
            parent_death=signal.SIGKILL,
            ready=_listens(self.ports[name]),
        )

    def _web(self) -> Definition:
        def text() -> str:
            return _toml(
                port=self.ports["web"],
                database=self.database.url,
                title="The falconer's shop",
                page_size=20,
                catalogue=str(self.catalogue),
            )

        return self._python("web", "the shop's web application", text, signal.SIGHUP)

    def _worker(self) -> Definition:
        def text() -> str:
            return _toml(port=self.ports["worker"], database=self.database.url, interval_s=1.0)

        return self._python("worker", "ships orders in the background", text, None)

    def _cache(self, program: str) -> Definition:
        config = self.etc / "cache.conf"
        return Definition(
            name="cache",
            about="Redis beside the shop",
            argv=lambda: (program, str(config)),
            config=config,
            config_text=lambda: (
                f'bind 127.0.0.1\nport {self.ports["cache"]}\nsave ""\ndir {self.run}\nmaxmemory 32mb\n'
            ),
            parent_death=signal.SIGKILL,
            ready=_listens(self.ports["cache"]),
        )

    def _proxy(self, program: str) -> Definition:
        config = self.etc / "proxy.conf"
        argv = (program, "-p", str(self.run), "-c", str(config))
        return Definition(
            name="proxy",
            about="nginx in front of the shop",
            argv=lambda: argv,
            config=config,
            config_text=lambda: _nginx(self.run, self.ports["proxy"], self.ports["web"]),
            test=(*argv, "-t", "-q"),
            reload=signal.SIGHUP,
            parent_death=signal.SIGTERM,
            ready=_listens(self.ports["proxy"]),
        )


def _listens(port: int) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    return ready


def _toml(**values: Any) -> str:
    head = "# Written by the service manager from its declaration; `recreate` writes it anew.\n"
    return head + "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def _nginx(run: Path, port: int, upstream: int) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "".join(f"  {kind}_temp_path {run}/nginx-{kind};\n" for kind in kinds)
    return f"""# Written by the service manager from its declaration; `recreate` writes it anew.
daemon off;
worker_processes 1;
pid {run}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 64; }}
http {{
  access_log off;
{folders}  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_connect_timeout 2s;
      proxy_read_timeout 3s;
      proxy_buffering off;
    }}
  }}
}}
"""
