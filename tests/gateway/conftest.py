"""Containers that several files look at: made once."""

from collections.abc import Iterator

import pytest

from config.settings import Settings
from tests.adapters.containers.conftest import docker_engine as docker_engine  # noqa: PLC0414 - a fixture, used by name
from tests.support.talkers import Talkers, talkers


@pytest.fixture(scope="session")
def shop(docker_engine: Settings) -> Iterator[Talkers]:
    """Real containers that say hostile things."""
    with talkers(docker_engine.session_image) as found:
        yield found
