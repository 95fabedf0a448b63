"""What the owner set: home, ports, repositories, credential, channels, files with secrets."""

import asyncio
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import SecretStr

from adapters.notify.apprise_notifier import AppriseNotifier
from config.settings import Settings, variable_of
from policy.prices import KNOWN, named
from worker import up_endpoints, up_ports
from worker.doctor_finding import Finding, fail, ok, warn

_SOCKET_LIMIT = 107


async def home(settings: Settings) -> Sequence[Finding]:
    folder = settings.home.absolute()
    existing = folder
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return [
            fail("home", f"{folder} cannot be written ({existing} forbids it)", "set TIERCEL_HOME to a folder of yours")
        ]
    findings = [ok("home", str(folder))]
    longest = len(os.fsencode(str(folder / "run" / "gateway.sock")))
    if longest > _SOCKET_LIMIT:
        cause = f"{longest} bytes is too long for a Unix socket ({_SOCKET_LIMIT}); ours are reached another way, other tools fail"
        findings.append(warn("socket path", cause, "set TIERCEL_HOME to a shorter path"))
    return findings


async def ports(settings: Settings) -> Sequence[Finding]:
    running = await asyncio.to_thread(up_endpoints.read, settings.home)
    if running is not None:
        return [ok("ports", f"in use by this Tiercel (pid {running.pid}): {running.web_url}")]
    taken = await asyncio.to_thread(up_ports.taken, settings)
    if not taken:
        return [ok("ports", ", ".join(f"{port} free ({use})" for _, port, use, _ in up_ports.needed(settings)))]
    return [fail(f"port {t.port}", f"{t.use}: {t.cause}", t.fix) for t in taken]


async def repositories(settings: Settings) -> Sequence[Finding]:
    folder, variable = settings.repos_dir, variable_of("repos_dir")
    if not folder.is_dir():
        return [
            warn(
                "repositories",
                f"{folder} does not exist, so nothing is watched",
                f"set {variable} to the folder that holds your repositories",
            )
        ]
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as e:
        return [
            fail("repositories", f"{folder} cannot be read ({e.strerror})", f"chmod a+rx {folder}, or set {variable}")
        ]
    closed = [name for name in names if not os.access(folder / name, os.R_OK | os.X_OK)]
    findings = [
        warn("repositories", f"{folder / name} cannot be read; it is skipped", f"chmod -R a+rX {folder / name}")
        for name in closed
    ]
    if not names:
        return [
            warn(
                "repositories",
                f"{folder} has no sub-folder, so nothing is watched",
                "clone a repository with a CLAUDE-OPS.md into it",
            )
        ]
    return [ok("repositories", f"{len(names)} in {folder}"), *findings]


async def credential(settings: Settings) -> Sequence[Finding]:
    if settings.scripted:
        return [ok("credential", "scripted model: none needed, nothing is paid")]
    kind = settings.credential_kind
    if not kind:
        cause = "none: failures are noticed and told, but nothing is investigated"
        return [
            warn("credential", cause, "set ANTHROPIC_API_KEY, or CLAUDE_CODE_OAUTH_TOKEN from `claude setup-token`")
        ]
    for value, begin, other, instead in (
        (settings.anthropic_api_key, "sk-ant-oat", "a subscription token", "CLAUDE_CODE_OAUTH_TOKEN"),
        (settings.claude_oauth_token, "sk-ant-api", "an API key", "ANTHROPIC_API_KEY"),
    ):
        if _begins(value, begin):
            own = "ANTHROPIC_API_KEY" if instead != "ANTHROPIC_API_KEY" else "CLAUDE_CODE_OAUTH_TOKEN"
            return [fail("credential", f"{own} holds {other}", f"put it into {instead}")]
    both = (
        " (CLAUDE_CODE_OAUTH_TOKEN is set too and not used)"
        if settings.anthropic_api_key and settings.claude_oauth_token
        else ""
    )
    return [ok("credential", ("API key" if kind == "api_key" else "subscription token") + both)]


async def prices(settings: Settings) -> Sequence[Finding]:
    """Without a price no budget can hold, so the gateway refuses every request of such a tier."""
    wrong = [t for t in settings.tiers if not named(t.model)]
    if not wrong:
        return [ok("prices", "known for the models of all tiers, so every budget holds")]
    known = ", ".join(sorted(KNOWN))
    return [
        fail(
            f"price of tier {t.tier}",
            f"the price of {t.model} is not known, so no budget could hold; sessions of tier {t.tier} cannot ask it anything",
            f"set {variable_of(f'tier{t.tier}_model')} to one of: {known}",
        )
        for t in wrong
    ]


async def channels(settings: Settings) -> Sequence[Finding]:
    variable = variable_of("apprise_urls")
    notifier = await asyncio.to_thread(AppriseNotifier, settings.apprise_urls)
    wrong = notifier.check()
    if wrong:
        return [fail("channels", *_halves(line, f"correct {variable}")) for line in wrong]
    if not notifier.channels():
        return [
            warn(
                "channels",
                "none, so nobody is told outside the dashboard",
                f"set {variable}, for example ntfy://ntfy.sh/my-topic",
            )
        ]
    return [ok("channels", f"{', '.join(notifier.channels())}; try them with `tiercel notify test`")]


async def acting(settings: Settings) -> Sequence[Finding]:
    if settings.dry_run:
        return [ok("acting", "dry run: decides and records, changes nothing (TIERCEL_DRY_RUN=false lets it act)")]
    return [
        ok(
            "acting",
            f"for real: at most {settings.restart_limit} restarts and {settings.redeploy_limit} redeployments per service and window",
        )
    ]


def secret_files(environ: Mapping[str, str]) -> list[Finding]:
    """Files with secrets that others may read: `NAME_FILE` variables and an `.env` here."""
    files = {f"{variable_of(f)}_FILE": environ.get(f"{variable_of(f)}_FILE", "") for f in _secret_fields()}
    named = [(name, Path(path)) for name, path in files.items() if path]
    named.append((".env", Path(".env")))
    findings: list[Finding] = []
    for name, path in named:
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & (stat.S_IRWXG | stat.S_IRWXO) & ~stat.S_IXGRP:
            findings.append(
                warn(
                    "secret files", f"others may read {path} ({name}, mode {stat.S_IMODE(mode):o})", f"chmod 600 {path}"
                )
            )
    return findings


def _secret_fields() -> list[str]:
    return [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]


def _begins(value: SecretStr | None, start: str) -> bool:
    return value is not None and value.get_secret_value().startswith(start)


def _halves(line: str, otherwise: str) -> tuple[str, str]:
    cause, _, fix = line.partition("; ")
    return cause, fix or otherwise


CHECKS = (home, ports, repositories, credential, prices, channels, acting)
