"""Logs: one line per event, redacted, and never in the way."""

import io
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator

import pytest

from config.logging import configure, logger, secrets_of
from config.settings import Settings, load
from domain.errors import TransientError

KEY = "sk-ant-api03-abcdefgh12345678"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    before, level = tuple(root.handlers), root.level
    yield
    for handler in tuple(root.handlers):
        if handler not in before:
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def written(settings: Settings, say: Callable[[], None]) -> str:
    stream = io.StringIO()
    configure(settings, "web", stream=stream)
    say()
    for handler in tuple(logging.getLogger().handlers):
        if type(handler).__name__ == "_ThreadedHandler":
            handler.close()
    return stream.getvalue()


def settings(**values: object) -> Settings:
    return Settings.model_validate({"log_time": False, **values})


def test_a_line_for_people_names_level_event_fields_and_module() -> None:
    text = written(
        settings(), lambda: logger("worker.x").warning("probe failed", service="local/db", seconds=3, why="no route")
    )
    assert text == "warning probe failed service=local/db seconds=3 why='no route' (worker.x)\n"


def test_json_lines_carry_process_and_time() -> None:
    text = written(settings(log_json=True), lambda: logger("a").info("hello", n=1))
    entry = json.loads(text)
    assert (entry["process"], entry["event"], entry["n"], entry["level"], entry["logger"]) == (
        "web",
        "hello",
        1,
        "info",
        "a",
    )
    assert entry["at"].endswith("Z")


def test_the_standard_library_writes_to_the_same_place() -> None:
    assert "warning disk 93 % full (x.y)" in written(
        settings(), lambda: logging.getLogger("x.y").warning("disk %d %% full", 93)
    )


def test_the_level_is_kept() -> None:
    assert written(settings(log_level="warning"), lambda: logger("a").info("quiet")) == ""


@pytest.mark.parametrize("as_json", [True, False])
def test_secrets_stay_out_wherever_they_stand(as_json: bool) -> None:
    def say() -> None:
        log = logger("a")
        log.info(
            "key %s", KEY, url="postgresql://u:hunter22@h/d", nested={"password": "swordfish", "list": [f"x {KEY}"]}
        )
        logging.getLogger("b").warning("token=%s", "abcdef123456")
        try:
            raise RuntimeError(f"refused {KEY}")
        except RuntimeError:
            log.exception("failed")

    text = written(settings(log_json=as_json, anthropic_api_key=KEY, apprise_urls="gotify://host/AbCdEf"), say)
    for secret in (KEY, "hunter22", "swordfish", "abcdef123456"):
        assert secret not in text
    assert "RuntimeError" in text
    assert "[redacted]" in text
    if as_json:
        assert all(json.loads(line) for line in text.splitlines())


def test_another_redaction_can_be_given() -> None:
    stream = io.StringIO()
    configure(settings(), "web", redact=lambda text: text.replace("blue", "***"), stream=stream)
    logger("a").info("blue sky")
    logging.getLogger().handlers[-1].close()
    assert "*** sky" in stream.getvalue()


def test_a_reader_that_stops_reading_does_not_stop_the_writer() -> None:
    read, write = os.pipe()
    stream = os.fdopen(write, "w")
    configure(settings(), "web", stream=stream)

    def flood() -> None:
        for n in range(30_000):
            logger("a").info("line " + "x" * 100, n=n)

    writer = threading.Thread(target=flood, daemon=True)
    writer.start()
    writer.join(timeout=60)
    assert not writer.is_alive()  # 3 MB into a pipe of 64 KB that nobody reads
    os.close(read)  # now the thread gets an error instead of waiting for ever


def test_a_fault_of_ours_is_one_line_and_any_other_keeps_its_traceback() -> None:
    stream = io.StringIO()
    configure(settings(), "worker", stream=stream)
    try:
        try:
            raise TransientError("no Postgres answers; start it")
        except TransientError as e:
            raise RuntimeError("as the engine sees it") from e
    except RuntimeError:
        logging.getLogger("temporalio.activity").warning("Completing activity as failed", exc_info=True)
        logger("a").exception("lost")
    try:
        raise ValueError("a mistake of ours")
    except ValueError:
        logger("a").exception("not expected")
    logging.getLogger().handlers[-1].close()
    first, second, third, *rest = stream.getvalue().splitlines()
    assert "error='no Postgres answers; start it'" in first
    assert "error='no Postgres answers; start it'" in second
    assert "not expected" in third
    assert rest[0].startswith("Traceback")


def test_every_secret_that_a_process_may_know_is_known_to_its_redaction() -> None:
    settings = load(
        {
            "DATABASE_URL": "postgresql://app:p%40ss-word@db/app",
            "ANTHROPIC_API_KEY": "sk-ant-" + "api03-x",
            "TIERCEL_APPRISE_URLS": "tgram://123:abc/1,json://u:hunter2000@h/",
        }
    )
    known = secrets_of(settings, {"TIERCEL_PROBE_DB": "of-a-probe", "HOME": "/root"})
    for secret in ("p%40ss-word", "p@ss-word", "sk-ant-" + "api03-x", "tgram://123:abc/1", "hunter2000", "of-a-probe"):
        assert secret in known
    assert "/root" not in known
