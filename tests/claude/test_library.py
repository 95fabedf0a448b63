"""Checks, playbooks, prompts and the report's schema: what is written agrees with what the code does."""

import json
from typing import Any, get_args

import jsonschema
import pytest

from claude.library import Library, parse_check, parse_playbook
from config.library import built_in, report_schema, tier_prompt
from domain.action import ActionKind
from domain.errors import ConfigurationError
from domain.health import ProbeSpec
from domain.session import TierReport
from policy.actions import TABLE

SPECS: dict[str, Any] = {spec.model_fields["kind"].default: spec for spec in get_args(get_args(ProbeSpec)[0])}


@pytest.fixture(scope="module")
def ours() -> Library:
    return built_in()


def test_every_kind_of_probe_has_its_check(ours: Library):
    assert {kind for check in ours.checks for kind in check.probes} == set(SPECS)


def test_thresholds_are_the_probes_own_defaults(ours: Library):
    told = [
        (kind, name, value)
        for check in ours.checks
        for kind in check.probes
        for name, value in check.thresholds.items()
    ]
    assert told
    for kind, name, value in told:
        assert SPECS[kind].model_fields[name].default == value, (kind, name)


def test_every_kind_of_action_has_its_playbook_at_its_lowest_tier(ours: Library):
    assert {a: p.tier for p in ours.playbooks for a in p.actions} == {kind: TABLE[kind].tier for kind in ActionKind}


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_prompts_are_short(tier: int):
    assert len(tier_prompt(tier).encode()) < 6_000


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("no front matter", "begin with a line '---'"),
        ("---\ntitle: x", "begin with a line '---'"),
        ("---\n- a\n---\nbody", "must be fields"),
        ("---\na: [\n---\nbody", "no YAML"),
        ("---\ntitle: x\nprobes: []\n---\nbody", "probes"),
        ("---\ntitle: x\nprobes: [http]\nthreshold: 1\n---\nbody", "threshold"),
        ("---\ntitle: x\nprobes: [http]\nname: y\n---\nbody", "name"),
        ("---\ntitle: x\nprobes: [http]\n---\n", "body"),
        ("---\n" + "x" * 20_000, "shorten"),
    ],
)
def test_a_broken_check_is_refused_with_its_file_and_field(text: str, word: str):
    with pytest.raises(ConfigurationError, match=r"mine\.md: ") as caught:
        parse_check("mine.md", text)
    assert word in str(caught.value)


def test_an_unknown_action_in_a_playbook_is_refused():
    with pytest.raises(ConfigurationError, match="actions"):
        parse_playbook("mine.md", "---\ntitle: x\ntier: 2\nactions: [format_disk]\nwhen: never\n---\nbody")


# ---------------------------------------------------------------- the report's schema


def flat(schema: dict[str, Any], defs: dict[str, Any] | None = None) -> dict[str, Any]:
    """What must agree: names, types, enums, lengths, all the way down."""
    known: dict[str, Any] = schema.get("$defs", {}) if defs is None else defs
    if "$ref" in schema:
        return flat(known[schema["$ref"].rsplit("/", 1)[-1]], known)
    kept = {k: schema[k] for k in ("type", "enum", "maxLength") if k in schema}
    if "properties" in schema:
        kept["properties"] = {name: flat(sub, known) for name, sub in schema["properties"].items()}
    if "items" in schema:
        kept["items"] = flat(schema["items"], known)
    return kept


def test_the_schema_and_the_model_are_the_same_report():
    assert flat(report_schema()) == flat(TierReport.model_json_schema())


def test_the_schema_is_a_schema_and_closed():
    schema = report_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    assert schema["additionalProperties"] is False
    assert schema["properties"]["services"]["items"]["additionalProperties"] is False


def test_a_report_of_the_model_fits_the_schema():
    report = TierReport.model_validate({"summary": "s", "services": [{"service": "local/web"}]})
    jsonschema.validate(json.loads(report.model_dump_json()), report_schema())
