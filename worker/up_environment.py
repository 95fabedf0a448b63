"""What each process may know. Only the gateway gets the credential; web gets no address to send messages to."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import SecretStr

from config import effective
from config.settings import PLAIN, PREFIX, Settings, variable_of

CREDENTIALS = ("anthropic_api_key", "claude_oauth_token")
# Other names under which the CLI and its SDKs take a credential or another address.
_NEVER = ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_CUSTOM_HEADERS", "CLAUDE_CODE_OAUTH_REFRESH_TOKEN")
_OWN_FREE = (f"{PREFIX}PROBE_", f"{PREFIX}DEV_", f"{PREFIX}TEST_")


def for_gateway(settings: Settings, outside: Mapping[str, str] | None = None) -> dict[str, str]:
    """The only environment with the credential, and with the secret of our machines."""
    left_out = ("apprise_urls",) if settings.gateway_url else ("credential", "apprise_urls")
    return _environment(settings, outside, leave_out=left_out, free=(f"{PREFIX}DEV_", f"{PREFIX}TEST_"))


def for_worker(settings: Settings, outside: Mapping[str, str] | None = None) -> dict[str, str]:
    """Everything but the credential."""
    left_out = (*CREDENTIALS, "gateway_secret")
    return _environment(_without_credential(settings), outside, leave_out=left_out, free=_OWN_FREE)


def for_web(settings: Settings, outside: Mapping[str, str] | None = None) -> dict[str, str]:
    """Neither the credential nor the secrets of probes and channels."""
    left_out = (*CREDENTIALS, "apprise_urls", "gateway_secret")
    told = _without_credential(settings).model_copy(update={"sources": _sources(settings, outside)})
    return _environment(told, outside, leave_out=left_out, free=(f"{PREFIX}DEV_", f"{PREFIX}TEST_"))


def for_server(outside: Mapping[str, str] | None = None) -> dict[str, str]:
    """A foreign server (Temporal): a place for temporary files and nothing of ours."""
    env = os.environ if outside is None else outside
    return {name: env[name] for name in ("PATH", "HOME", "TMPDIR", "TZ", "LANG") if env.get(name)}


def _sources(settings: Settings, outside: Mapping[str, str] | None) -> str:
    """Where each setting came from: the settings page could not see it, since `up` passes on every value."""
    found = effective.sources(os.environ if outside is None else outside)
    for name in ("database_url", "temporal_address"):
        if getattr(settings, name):
            found.setdefault(name, effective.UP)
    return effective.to_text({**found, "log_time": effective.UP})


def _without_credential(settings: Settings) -> Settings:
    return settings.model_copy(update={"credential": settings.credential_kind})


def _environment(
    settings: Settings, outside: Mapping[str, str] | None, *, leave_out: Iterable[str], free: tuple[str, ...]
) -> dict[str, str]:
    env = os.environ if outside is None else outside
    known = {variable_of(name) for name in Settings.model_fields}
    known |= {f"{name}_FILE" for name in known}
    kept = {
        name: value
        for name, value in env.items()
        if name not in known and name not in PLAIN and name not in _NEVER
        if not name.startswith(PREFIX) or name.startswith(free)
    }
    skipped = set(leave_out)
    own = {
        variable_of(name): text
        for name in Settings.model_fields
        if name not in skipped and (text := _text(getattr(settings, name)))
    }
    # The log that collects the lines adds the time.
    return {**kept, **own, variable_of("log_time"): "false", "PYTHONUNBUFFERED": "1"}


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Path):
        return str(value.expanduser().absolute())
    return str(value)
