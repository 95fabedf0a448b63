"""A session that writes while a browser looks at it."""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page

from adapters.database.sessions import SessionStore
from domain.ids import IncidentId, SessionId
from domain.session import OutputLine
from tests.support import seed
from tests.support.browser import Dashboard

NUMBERS = "() => [...document.querySelectorAll('[data-log] li')].map(li => Number(li.id.slice(1)))"
_count = itertools.count(1)


class Writer:
    """The one writer of a session's output."""

    def __init__(self, house: Dashboard, incident: IncidentId, session: SessionId, last: int) -> None:
        self._sessions = SessionStore(house.pool)
        self.incident, self.session, self.last = incident, session, last

    async def write(self, *texts: str) -> int:
        """One line per text; the number of the last one."""
        now = datetime.now(UTC)
        lines = [OutputLine(seq=self.last + n, at=now, text=text) for n, text in enumerate(texts, start=1)]
        await self._sessions.append_output(self.session, 1, lines)
        self.last += len(texts)
        return self.last

    async def some(self, count: int) -> int:
        """Lines that carry their number."""
        return await self.write(*(f"line of output {self.last + n}" for n in range(1, count + 1)))


async def new_writer(house: Dashboard) -> Writer:
    """A fresh incident with a session that writes."""
    n = next(_count)
    name = f"inc_log_{n:04d}"
    stores = seed.Stores.on(house.pool)
    at = datetime.now(UTC) - timedelta(seconds=30)
    incident, session = IncidentId(name), SessionId(f"5f0c6a4e-0000-5000-8000-{n:012d}")
    await seed.opened(stores, incident, seed.services()[1], at, "blog does not answer", f"escalation/{name}")
    await stores.sessions.session_started(seed.order(incident, session, 2), seed.WALLED, scripted=False, at=at)
    return Writer(house, incident, session, 0)


async def until(check: Callable[[], Awaitable[object]], what: str, seconds: float = 8) -> None:
    """Wait until `check` holds; the test says what never came."""
    for _ in range(int(seconds / 0.05)):
        with contextlib.suppress(Exception):
            if await check():
                return
        await asyncio.sleep(0.05)
    pytest.fail(f"never happened: {what}")


async def shown(page: Page, number: int) -> None:
    """Wait until a line is in the page."""
    await until(lambda: page.evaluate("n => !!document.getElementById('L' + n)", number), f"line {number}")
