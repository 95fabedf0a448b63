"""One browser and one filled dashboard per module; a module's tests share an event loop for it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from adapters.database.pool import Pool
from tests.support import seed
from tests.support.browser import Dashboard, browser, dashboard, settings_for
from tests.support.postgres import TEMPLATE, TestServer

NOBODY = "127.0.0.1:1"  # where no Temporal answers


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chrome() -> AsyncIterator[Browser]:
    """A real Chromium."""
    async with browser() as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(postgres_server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Dashboard]:
    """A dashboard over a busy household, without an engine."""
    url = postgres_server.create(TEMPLATE)
    settings = settings_for(url, tmp_path_factory.mktemp("home"), temporal_address=NOBODY)
    async with Pool(url) as pool:
        await seed.busy(pool, datetime.now(UTC))
        async with dashboard(pool, settings) as opened:
            yield opened
    postgres_server.drop(url)
