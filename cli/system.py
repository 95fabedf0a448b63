"""`up`, `doctor`, `notify test`, `db migrate`: the installation itself."""

import os
from typing import Annotated

import typer

from cli.context import run, settings_of_running
from cli.exits import Exit
from cli.incidents import OutputFormat
from cli.output import Format, err, out, rows, safe
from config.settings import Settings, load, variable_of


def up() -> None:
    """Run everything: database, engine, gateway, worker, dashboard. Ctrl-C stops it cleanly."""

    async def work() -> int:
        from worker.fallback import fallback
        from worker.up import run as start

        settings = load()
        return await start(settings, notify_fallback=fallback(settings))

    raise typer.Exit(run(work))


def doctor(
    output: OutputFormat = Format.TEXT,
    *,
    settings: Annotated[bool, typer.Option("--settings", help="List every setting instead")] = False,
) -> None:
    """Look for what would go wrong, with the fix for each finding. Changes nothing.

    Example: tiercel doctor -o json
    """

    async def work() -> Exit:
        from worker.doctor import examine_environment

        findings = await examine_environment()
        cells = [({"ok": "✓", "warn": "!", "fail": "✗"}[f.level], f.name, f.cause, f.fix) for f in findings]
        rows(output, findings, ("", "WHAT", "FOUND", "FIX"), cells, "nothing examined")
        return Exit.FAILED if any(f.level == "fail" for f in findings) else Exit.OK

    if settings:
        _list_settings(output)
        return
    raise typer.Exit(run(work))


def _list_settings(output: Format) -> None:
    """Names and meanings, and whether one is set here; never a value: some are secrets."""
    found = [
        {
            "variable": variable_of(name),
            "set": bool(os.environ.get(variable_of(name)) or os.environ.get(variable_of(name) + "_FILE")),
            "meaning": field.description or "",
        }
        for name, field in Settings.model_fields.items()
    ]
    cells = [(str(f["variable"]), "set" if f["set"] else "-", str(f["meaning"])) for f in found]
    rows(output, found, ("VARIABLE", "HERE", "MEANING"), cells, "")


config_app = typer.Typer(help="The settings.", no_args_is_help=True)


@config_app.command("show")
def config_show(
    output: OutputFormat = Format.TEXT,
    *,
    changed: Annotated[bool, typer.Option("--changed", help="Only what somebody set")] = False,
) -> None:
    """Every setting in effect here, and where it came from. Secrets are never shown.

    Example: tiercel config show --changed
    """

    async def work() -> None:
        from config.effective import DEFAULT, effective

        found = [s for s in effective(load(), os.environ, whole=True) if not changed or s.source != DEFAULT]
        cells = [(s.variable, s.value or "-", s.source, s.meaning) for s in found]
        rows(output, found, ("VARIABLE", "VALUE", "FROM", "MEANING"), cells, "every setting is at its default")

    run(work)


notify_app = typer.Typer(help="Messages to people.", no_args_is_help=True)


@notify_app.command("test")
def notify_test() -> None:
    """Send a test message through every channel."""

    async def work() -> Exit:
        from adapters.notify.apprise_notifier import AppriseNotifier
        from domain.notice import Notice, NoticeKind

        notifier = AppriseNotifier(load().apprise_urls)
        if not notifier.channels():
            err.print("No channel yet: set TIERCEL_APPRISE_URLS, for example ntfy://ntfy.sh/my-topic", markup=False)
            return Exit.FAILED
        notice = Notice(key="test", kind=NoticeKind.TEST, title="Tiercel test message", body="This channel works.")
        answers = [await notifier.send(c, notice) for c in notifier.channels()]
        for answer in answers:
            out.print(safe(f"{'✓' if answer.delivered else '✗'} {answer.channel}: {answer.message}"), markup=False)
        return Exit.OK if all(a.delivered for a in answers) else Exit.FAILED

    raise typer.Exit(run(work))


db_app = typer.Typer(help="The record.", no_args_is_help=True)


@db_app.command("migrate")
def db_migrate() -> None:
    """Bring the database to this version's schema."""

    async def work() -> None:
        from adapters.database.migrate import migrate

        settings = settings_of_running()
        assert settings.database_url is not None  # noqa: S101 - settings_of_running saw to it
        applied = await migrate(settings.database_url.get_secret_value())
        out.print("\n".join(applied) or "already up to date", markup=False)

    run(work)


image_app = typer.Typer(help="The image of the container engine.", no_args_is_help=True)


@image_app.command("build")
def image_build() -> None:
    """Build the session image, where it is missing or its files changed."""

    async def work() -> None:
        from adapters.containers.image import build

        await build(load(), lambda text: err.print(text, markup=False))

    run(work)
