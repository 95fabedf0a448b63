"""The Temporal program for tests: found as the product finds it, so that no test needs a machine prepared by hand."""

import asyncio
from functools import cache
from pathlib import Path

from adapters.engine.server import find
from config.settings import load


@cache
def binary() -> Path:
    """ConfigurationError, naming every way, where there is none. Not to be called from inside an event loop."""
    return asyncio.run(find(load(), print))
