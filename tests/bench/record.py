"""A Postgres with an empty record for one measurement."""

import asyncio
from collections.abc import Callable, Coroutine

from adapters.database.migrate import migrate
from tests.support.postgres import TEMPLATE, TestServer


def with_record(measure: Callable[[str], Coroutine[None, None, None]]) -> None:
    """Run `measure` with the address of a new record, and stop its server at the end."""
    server = TestServer()
    try:
        server.start()
        server.make_template(lambda url: asyncio.run(migrate(url)))
        asyncio.run(measure(server.create(TEMPLATE)))
    finally:
        server.stop()
