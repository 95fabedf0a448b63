"""Settings: each wrong one is a line that names the variable and the fix."""

from pathlib import Path

import pytest

from config.settings import Settings, load, variable_of
from domain.errors import ConfigurationError


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("TIERCEL_INTERVAL_S", "soon", "valid integer"),
        ("TIERCEL_INTERVAL_S", "1", "greater than or equal to 5"),
        ("TIERCEL_CRON", "* * *", r"write five fields, for example '\*/15 \* \* \* \*'"),
        ("TIERCEL_TIMEZONE", "Mars/Olympus", "use a name such as Europe/Berlin"),
        ("TIERCEL_ENGINE", "magic", "'auto', 'process' or 'container'"),
        ("TIERCEL_WEB_HOST", "everywhere", "use 127.0.0.1, 0.0.0.0 or an address"),
        ("TIERCEL_WEB_PORT", "70000", "less than or equal to 65535"),
        ("TIERCEL_DRY_RUN", "perhaps", "valid boolean"),
        ("TIERCEL_DIGEST_AT", "8 o'clock", "pattern"),
        ("TIERCEL_ALLOWED_DOMAINS", "api.example.org, http://x/", "write a name such as api.example.org"),
        ("TIERCEL_ALLOWED_DOMAINS", "*", "would mean far too much|write a name"),
    ],
)
def test_a_wrong_value_names_the_variable_and_the_fix(variable: str, value: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{variable}: .*{says}") as caught:
        load({variable: value})
    assert "\n" not in str(caught.value)


def test_rechecks_that_are_no_numbers_name_their_variable() -> None:
    with pytest.raises(ConfigurationError, match="TIERCEL_RECHECKS_S must be numbers"):
        load({"TIERCEL_RECHECKS_S": "soon,later"})


def test_a_misspelt_setting_is_an_error_with_the_likely_name() -> None:
    with pytest.raises(
        ConfigurationError, match="TIERCEL_RESTART_LIMITS: no such setting; did you mean TIERCEL_RESTART_LIMIT"
    ):
        load({"TIERCEL_RESTART_LIMITS": "0"})


def test_several_wrong_values_are_all_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load({"TIERCEL_INTERVAL_S": "x", "TIERCEL_ENGINE": "y", "TIERCEL_NONSENSE": "z"})
    assert len(str(caught.value).splitlines()) == 3


def test_nothing_set_is_the_safe_default() -> None:
    settings = load({})
    assert settings.dry_run
    assert settings.web_host == "127.0.0.1"
    assert (settings.restart_limit, settings.restart_window_s) == (2, 4 * 3600)
    assert (settings.redeploy_limit, settings.redeploy_window_s) == (1, 24 * 3600)
    assert settings.credential_kind == ""


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load({"TIERCEL_INTERVAL_S": "", "ANTHROPIC_API_KEY": ""}) == load({})


def test_a_secret_comes_from_a_file_and_not_from_both(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-ant-something\n")
    settings = load({"ANTHROPIC_API_KEY_FILE": str(file)})
    assert settings.anthropic_api_key is not None
    assert settings.anthropic_api_key.get_secret_value() == "sk-ant-something"
    assert settings.credential_kind == "api_key"
    assert "something" not in repr(settings)
    with pytest.raises(ConfigurationError, match="both set; keep one"):
        load({"ANTHROPIC_API_KEY_FILE": str(file), "ANTHROPIC_API_KEY": "x"})
    with pytest.raises(ConfigurationError, match=r"ANTHROPIC_API_KEY_FILE: cannot read .*check the path"):
        load({"ANTHROPIC_API_KEY_FILE": str(tmp_path / "missing")})


def test_every_setting_is_read_from_the_variable_that_it_says() -> None:
    assert variable_of("interval_s") == "TIERCEL_INTERVAL_S"
    assert variable_of("database_url") == "DATABASE_URL"
    assert load({"TEMPORAL_ADDRESS": "h:1"}).temporal_address == "h:1"
    assert load({"TIERCEL_HOME": "/x"}).home == Path("/x")


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
