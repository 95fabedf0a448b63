"""The map shows what is there."""

import re

import pytest

from domain.action import FINAL_STATES, ActionState
from domain.incident import CLOSED_STATES, IncidentState
from tests.project.tree import DATA, ROOT, rooms

PAGE = (ROOT / "ARCHITECTURE.md").read_text()
INCIDENT, ACTION = re.findall(r"^```mermaid\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def arrows(chart: str) -> list[tuple[str, str]]:
    return re.findall(r"^ *(\S+) --> (\w+)", chart, re.MULTILINE)


@pytest.mark.parametrize(
    ("chart", "states", "ends", "first"),
    [(INCIDENT, IncidentState, CLOSED_STATES, "open"), (ACTION, ActionState, FINAL_STATES, "requested")],
    ids=["incident", "action"],
)
def test_a_chart_shows_every_state_and_every_end(
    chart: str, states: type[IncidentState] | type[ActionState], ends: frozenset[str], first: str
) -> None:
    drawn = arrows(chart)
    assert {to for _, to in drawn} == {str(s) for s in states}
    assert ("[*]", first) in drawn
    assert {str(s) for s in states} - {here for here, _ in drawn} == {str(e) for e in ends}


@pytest.mark.parametrize("room", [r for r in rooms() if r not in {*DATA, "tests"}])
def test_the_map_names_every_room(room: str) -> None:
    assert f"`{room}/`" in PAGE


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)", (ROOT / "README.md").read_text()))
def test_what_the_readme_points_to_is_there(link: str) -> None:
    if link.startswith("docs/pictures/"):
        pytest.skip("taken by ./dev screenshots") if not (ROOT / link).exists() else None
    assert (ROOT / link).exists()
