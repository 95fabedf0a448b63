"""Commands that only read: text for people, JSON for programs, one line with the fix for what is wrong."""

import pytest

from cli.exits import Exit
from config.settings import Settings, variable_of
from tests.support import seed
from tests.support.commands import Shell

RESOLVED, WAITING, HANDED_OVER = "inc_7f3a01c2-blog-0001", "inc_c4d2210b-postgres", "inc_90be77aa-paperless"


async def test_incidents_are_listed_newest_first_in_all_three_forms(household: Shell) -> None:
    text, whole, lines = [await household("runs", "-o", form) for form in ("text", "json", "jsonl")]
    ids = [row["id"] for row in whole.json]
    assert len(ids) == 5
    assert {RESOLVED, WAITING, HANDED_OVER} <= set(ids)
    assert [row["opened_at"] for row in whole.json] == sorted((r["opened_at"] for r in whole.json), reverse=True)
    assert lines.jsonl == whole.json
    head, *rows = text.out.splitlines()
    assert head.split() == ["ID", "SERVICE", "STATE", "TIER", "OPENED", "SUMMARY"]
    assert [row.split()[0] for row in rows] == ids, "one line per incident, however narrow the terminal"
    assert {text.code, whole.code, lines.code} == {Exit.OK}


async def test_a_list_can_be_narrowed_by_state_service_and_number(household: Shell) -> None:
    resolved = await household("runs", "--state", "resolved", "-o", "jsonl")
    assert [r["id"] for r in resolved.jsonl] == [RESOLVED]
    assert {r["service"] for r in (await household("runs", "-s", "GHOST", "-o", "jsonl")).jsonl} == {"local/blog"}
    assert len((await household("runs", "-n", "1", "-o", "json")).json) == 1
    nothing = await household("runs", "-s", "jellyfin")
    assert (nothing.code, nothing.out) == (Exit.OK, "")
    assert "No incident matches." in nothing.err


@pytest.mark.parametrize(
    ("incident", "code"),
    [(RESOLVED, Exit.OK), (WAITING, Exit.WAITING), (HANDED_OVER, Exit.BAD_END)],
)
async def test_the_exit_code_of_show_tells_how_an_incident_stands(household: Shell, incident: str, code: Exit) -> None:
    said = await household("show", incident, "-o", "json")
    assert said.code == code
    assert said.json["row"]["id"] == incident
    assert {"row", "timeline", "actions", "approvals", "sessions"} <= set(said.json)


async def test_what_waits_for_you_is_shown_with_the_command_that_answers_it(household: Shell) -> None:
    waits = (await household("approve", "-o", "json")).json
    assert len(waits) == 1
    approval = waits[0]["id"]
    assert f"tiercel approve {approval}" in (await household("show", WAITING)).err
    assert approval in (await household("approve")).out


async def test_the_log_is_what_the_sessions_printed_in_order(household: Shell) -> None:
    text = await household("logs", RESOLVED)
    lines = (await household("logs", RESOLVED, "-o", "jsonl")).jsonl
    assert text.code == Exit.OK
    assert len(lines) > 10
    assert len({line["session"] for line in lines}) == 2
    for session in {line["session"] for line in lines}:
        numbers = [line["seq"] for line in lines if line["session"] == session]
        assert numbers == list(range(1, len(numbers) + 1))
    assert "tier 1" in text.err, "which session speaks is for people, so it is not in the data"
    short = (await household("logs", RESOLVED, "--tail", "2", "-o", "jsonl")).jsonl
    assert len(short) == 4


async def test_services_are_listed_with_what_the_probes_hold_true(household: Shell) -> None:
    found = (await household("services", "-o", "jsonl")).jsonl
    assert {s["id"] for s in found} == {s.id for s in seed.services()}
    down = (await household("services", "--state", "down", "-o", "json")).json
    assert {s["id"] for s in down} == {"local/blog", "local/paperless"}
    none = await household("services", "--state", "unknown")
    assert "No service is unknown." in none.err


async def test_slots_that_are_used_are_listed_with_the_time_of_the_next(household: Shell) -> None:
    rows = (await household("cooldown", "-o", "json")).json
    blog = next(r for r in rows if r["service"] == "local/blog")
    assert {c["slot"]["cooldown_class"] for c in blog["classes"]} == {"restart", "redeploy", "remedy"}
    off = await household("cooldown", TIERCEL_RESTART_LIMIT="0")
    assert "never" in off.out


async def test_a_wide_value_is_never_cut_in_json(household: Shell) -> None:
    narrow = await household("show", RESOLVED, "-o", "json", COLUMNS="20")
    wide = await household("show", RESOLVED, "-o", "json", COLUMNS="500")
    assert narrow.json == wide.json


async def test_colour_is_not_sent_into_a_pipe_and_not_where_nobody_wants_it(household: Shell) -> None:
    # The control sequences themselves are looked for in every call of `Shell`.
    assert (await household("runs", NO_COLOR="1")).code == Exit.OK
    assert (await household("runs", TERM="dumb")).code == Exit.OK


@pytest.mark.parametrize(
    ("argv", "fix"),
    [
        (("show", "inc_nothing"), "`tiercel runs` lists them"),
        (("logs", "inc_nothing"), "`tiercel runs` lists them"),
        (("approve", "apr_nothing"), "without an id lists what waits"),
        (("cooldown", "snooze", "nothing", "-r", "x"), "`tiercel services` lists them"),
        (("cooldown", "snooze", "blog", "-r", "x", "-m", "99999999999"), "525600"),
        (("cooldown", "maintenance", "blog", "-r", "x", "-m", "99999999999"), "525600"),
        (("run", "look", "--service", "nothing"), "`tiercel services` lists them"),
        (("run", "--service", "blog"), "need a prompt"),
        (("run", "--wait"), "need a prompt"),
        (("run", "x", "--tier", "4"), "less than or equal to 3"),
        (("runs", "--state", "broken"), "needs_person"),
        (("services", "--state", "broken"), "degraded"),
        (("deny", "apr_1"), "--reason"),
        (("show",), "incident"),
        (("nothing",), "No such command"),
        (("runs", "-o", "xml"), "jsonl"),
    ],
)
async def test_a_wrong_word_is_answered_with_the_right_one(household: Shell, argv: tuple[str, ...], fix: str) -> None:
    said = await household(*argv)
    assert (said.code, said.out) == (Exit.USAGE, "")
    assert fix in " ".join(said.err.split())


async def test_an_act_without_an_engine_says_that_it_is_away(household: Shell) -> None:
    said = await household("run", "look at it", "--service", "blog")
    assert said.code == Exit.UNREACHABLE
    assert "Temporal" in said.err
    assert "TEMPORAL_ADDRESS" in said.err
    assert len(said.err.splitlines()) == 1


# ---------------------------------------------------------------- before anything runs


@pytest.mark.parametrize("argv", [("runs",), ("services",), ("show", "x"), ("approve",), ("cooldown",), ("run",)])
async def test_where_nothing_runs_it_says_how_to_start(nowhere: Shell, argv: tuple[str, ...]) -> None:
    said = await nowhere(*argv)
    assert (said.code, said.out) == (Exit.UNREACHABLE, "")
    assert "start it with `tiercel up`" in said.err
    assert len(said.err.splitlines()) == 1


async def test_a_database_that_does_not_answer_is_one_line(nowhere: Shell) -> None:
    said = await nowhere("runs", DATABASE_URL="postgresql://nobody:hunter2000@127.0.0.1:1/none?connect_timeout=1")
    assert said.code == Exit.UNREACHABLE
    assert "hunter2000" not in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("argv", [("runs",), ("services",), ("up",), ("notify", "test"), ("db", "migrate")])
async def test_a_setting_that_does_not_exist_stops_every_command(nowhere: Shell, argv: tuple[str, ...]) -> None:
    said = await nowhere(*argv, TIERCEL_INTERVALS="5")
    assert (said.code, said.out) == (Exit.USAGE, "")
    assert said.err == "TIERCEL_INTERVALS: no such setting; did you mean TIERCEL_INTERVAL_S?\n"


async def test_each_wrong_setting_is_a_line_of_its_own(nowhere: Shell) -> None:
    said = await nowhere("runs", TIERCEL_CRON="every day", TIERCEL_WEB_PORT="seventy")
    assert said.code == Exit.USAGE
    assert {line.split(":")[0] for line in said.err.splitlines()} == {"TIERCEL_CRON", "TIERCEL_WEB_PORT"}


async def test_the_doctor_takes_wrong_settings_as_findings(nowhere: Shell) -> None:
    said = await nowhere("doctor", "-o", "json", TIERCEL_INTERVALS="5")
    assert said.code == Exit.FAILED
    assert said.json[0]["name"] == "TIERCEL_INTERVALS"
    assert "TIERCEL_INTERVAL_S" in said.json[0]["fix"]


async def test_every_setting_is_listed_and_no_value(nowhere: Shell) -> None:
    said = await nowhere("doctor", "--settings", "-o", "jsonl", ANTHROPIC_API_KEY="hunter2000")
    assert "hunter2000" not in said.out
    found = {s["variable"]: s["set"] for s in said.jsonl}
    assert set(found) == {variable_of(f) for f in Settings.model_fields}
    assert found["ANTHROPIC_API_KEY"] is True
    assert found["TIERCEL_CRON"] is False


async def test_a_test_message_without_a_channel_says_how_to_add_one(nowhere: Shell) -> None:
    said = await nowhere("notify", "test")
    assert said.code == Exit.FAILED
    assert "TIERCEL_APPRISE_URLS" in said.err


async def test_an_empty_database_is_brought_up_to_date_by_the_command_that_the_refusal_names(
    nowhere: Shell, empty_database_url: str
) -> None:
    refused = await nowhere("runs", DATABASE_URL=empty_database_url)
    assert refused.code == Exit.FAILED
    assert "tiercel db migrate" in refused.err
    first = await nowhere("db", "migrate", DATABASE_URL=empty_database_url)
    assert (first.code, "0001" in first.out) == (Exit.OK, True)
    assert (await nowhere("db", "migrate", DATABASE_URL=empty_database_url)).out == "already up to date\n"
    assert "No incident yet" in (await nowhere("runs", DATABASE_URL=empty_database_url)).err


async def test_the_settings_are_shown_with_their_source_and_without_secrets(household: Shell) -> None:
    rows = {row["variable"]: row for row in (await household("config", "show", "-o", "json")).json}
    assert rows["TIERCEL_RETENTION_DAYS"]["source"] == "default"
    assert (rows["DATABASE_URL"]["value"], rows["DATABASE_URL"]["source"]) == ("set, hidden", "environment")
    changed = await household("config", "show", "--changed")
    assert "TIERCEL_RETENTION_DAYS" not in changed.out
    assert "postgresql://" not in changed.out + changed.err
