"""The plugin that turns skips into failures in CI."""

import pytest

pytest_plugins = ["pytester"]

TESTS = """
import pytest

def test_runs():
    pass

@pytest.mark.skip(reason="no Docker here")
def test_needs_docker():
    pass

def test_finds_out_late():
    pytest.skip("no browser here")

@pytest.mark.optional
@pytest.mark.skip(reason="only by hand")
def test_by_hand():
    pass

@pytest.mark.xfail(reason="known")
def test_known():
    assert False
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest('pytest_plugins = ["tests.support.required"]')
    pytester.makepyfile(TESTS)
    return pytester


def test_a_skip_fails_in_ci_and_says_what_to_do(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    result = project.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=1, errors=1, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(["*no Docker here*", "*Install what it needs in .ci/run*"])


def test_a_skip_is_only_a_skip_elsewhere(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    project.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1, skipped=3, xfailed=1)


def test_a_whole_file_that_skips_itself_fails_in_ci(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    project.makepyfile(test_file='import pytest\npytest.skip("no psutil", allow_module_level=True)')
    result = project.runpytest_subprocess("-p", "no:cacheprovider", "test_file.py")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*no psutil*"])
