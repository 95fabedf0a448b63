"""Under CI=true a skipped test is a failed test: a group that silently stopped running protects nobody.

Loaded as a plugin by tests/conftest.py. A test that is rightly skipped in CI carries `@pytest.mark.optional`.
"""

import os
from collections.abc import Generator

import pytest

OPTIONAL = "optional"


def enforced() -> bool:
    """Whether skips count as failures here."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{OPTIONAL}: may be skipped in CI")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and enforced() and not hasattr(report, "wasxfail") and not item.get_closest_marker(OPTIONAL):
        report.outcome = "failed"
        report.longrepr = _message(item.nodeid, report.longrepr)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped and enforced():
        report.outcome = "failed"
        report.longrepr = _message(collector.nodeid, report.longrepr)
    return report


def _message(node: str, why: object) -> str:
    reason = str(why[-1]) if isinstance(why, tuple) else str(why)
    return (
        f"{node} was skipped, and CI=true: {reason}\n"
        "Install what it needs in .ci/run, or mark it with @pytest.mark.optional and say why."
    )
