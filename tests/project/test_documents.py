"""What is promised in writing exists, and what exists is written down."""

import pytest

from config import document
from config.settings import Settings, variable_of
from tests.project.tree import ROOT


def test_the_page_of_settings_is_what_the_settings_say() -> None:
    assert document.PAGE.read_text() == document.page(), "run python -m config.document"


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_documented(field: str) -> None:
    assert Settings.model_fields[field].description, f"give {field} a description"
    assert f"`{variable_of(field)}`" in document.PAGE.read_text()


def test_the_page_does_not_depend_on_who_wrote_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/you")
    assert "/home/you" not in document.page()


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"])
def test_the_page_is_there_and_says_something(name: str) -> None:
    assert len((ROOT / name).read_text()) > 300
