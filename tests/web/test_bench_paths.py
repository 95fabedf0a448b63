"""`./dev bench pages` measures every address of the dashboard, or says why not."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

from starlette.routing import compile_path

from tests.bench.page_paths import NOT_MEASURED, paths, whole_log_paths
from web.routes import ROUTES

SHOWN = {name: compile_path(path)[0] for name, _, method, path, _ in ROUTES if method == "GET"}
PAGES = {**paths(1000, datetime(2026, 11, 21, tzinfo=UTC), "apr_1"), **whole_log_paths(1000)}


def led_to(path: str) -> str:
    """The name of the route that answers, "" for none."""
    return next((name for name, pattern in SHOWN.items() if pattern.match(urlsplit(path).path)), "")


def test_every_address_is_measured_or_named_with_a_reason() -> None:
    measured = {led_to(path) for path in PAGES.values()}
    missing = SHOWN.keys() - measured - NOT_MEASURED.keys()
    assert not missing, f"add {sorted(missing)} to paths() or to NOT_MEASURED in tests/bench/page_paths.py"


def test_every_measured_page_is_an_address() -> None:
    assert not [name for name, path in PAGES.items() if not led_to(path)]


def test_no_exception_is_left_over() -> None:
    measured = {led_to(path) for path in PAGES.values()}
    assert not NOT_MEASURED.keys() - SHOWN.keys(), "there is no such address any more"
    assert not NOT_MEASURED.keys() & measured, "it is measured"
