"""The image and the compose set for real, with the servers out of our own image: no registry answers in tests."""

import asyncio
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
import pytest

from adapters.containers.image import build
from adapters.containers.spares import PREFIX
from config.ports import free_ports
from config.settings import Settings
from domain.errors import ConfigurationError
from gateway.remote.far import Far
from tests.support.outside import certificates
from tests.support.processes import start, stop, wait_until
from tests.support.remote import SECRET

pytestmark = [
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.timeout(900),  # the first build on a machine fetches 500 MB of packages
]
ROOT = Path(__file__).resolve().parents[2]
IMAGE = "tiercel-offline:test"
CANARY = "sk-ant-canary-0123456789"
LASTING = ("postgres", "temporal", "docker-read", "gateway", "worker", "web")
MANIFEST = """\
---
services:
  - name: gone
    kind: external
    probes:
      - {kind: http, url: "http://127.0.0.1:%d/healthz", timeout_s: 2}
---
A service that is not there.
"""


def run(*argv: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        argv, cwd=ROOT, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(argv)}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def compose_program() -> list[str]:
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    if shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:  # noqa: PLW1510
        return ["docker", "compose"]
    pytest.skip("no docker-compose: apt install docker-compose")


@pytest.fixture(scope="module")
def engine() -> None:
    if not shutil.which("docker") or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("no Docker engine answers")


@pytest.fixture(scope="module")
def image(engine: None) -> str:
    asyncio.run(build(Settings(), print))  # the session image, and below it the base image where no registry answers
    # On the host's network: a daemon of another test may just have taken the bridge away.
    run(
        *("docker", "build", "--quiet", "--network", "host", "--file", "deploy/Dockerfile"),
        *("--target", "offline", "--tag", IMAGE, "."),
        env={"DOCKER_BUILDKIT": "0"},
    )
    return IMAGE


@dataclass
class Stack:
    """The set, up."""

    project: str
    home: Path
    ports: dict[str, int]
    compose: Callable[..., str]

    def container(self, service: str) -> str:
        return self.compose("ps", "-q", service).strip()

    def state(self, service: str) -> dict[str, Any]:
        return json.loads(run("docker", "inspect", self.container(service)))[0]

    def tiercel(self, *arguments: str) -> Any:
        return json.loads(run("docker", "exec", self.container("web"), "tiercel", *arguments, "-o", "json"))


def wait_for(question: Callable[[], Any], seconds: float, what: Callable[[], object]) -> Any:
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, what()
        time.sleep(0.5)
    return answer


@pytest.fixture(scope="module")
def model_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log, port = tmp_path_factory.mktemp("model") / "log", free_ports(1)[0]
    scenario = str(ROOT / "demo" / "model" / "scenarios" / "90-any.yaml")
    argv = [sys.executable, "-m", "demo.model", "--scenario", scenario, "--port", str(port)]
    process = start(argv, log, ROOT)
    wait_until(lambda: "scripted model" in log.read_text(), process, log)
    yield f"http://127.0.0.1:{port}"
    stop(process)


@pytest.fixture(scope="module")
def stack(image: str, model_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    project = f"tiercel-test-{uuid.uuid4().hex[:8]}"
    base = tmp_path_factory.mktemp("compose")
    (base / "repos").mkdir()
    web, temporal, postgres, door = free_ports(4)
    _, certificate, key = certificates(base, "localhost")
    (secret := base / "secret").write_text(SECRET)
    for file in (certificate, key, secret):
        file.chmod(0o644)  # whoever runs the tests may not be able to give them to the container's user
    env = {
        "TIERCEL_OFFLINE_IMAGE": image, "TIERCEL_HOME": str(base / "home"), "TIERCEL_REPOS_DIR": str(base / "repos"),
        "TIERCEL_WEB_PORT": str(web), "TIERCEL_TEMPORAL_PORT": str(temporal), "TIERCEL_POSTGRES_PORT": str(postgres),
        "TIERCEL_SCRIPTED": "true", "TIERCEL_MODEL_URL": model_url, "ANTHROPIC_API_KEY": CANARY,
        "TIERCEL_CONFIRM_AFTER_S": "0.5", "TIERCEL_SETTLE_S": "0.2", "TIERCEL_WEB_LOGIN": "false",
        "TIERCEL_GATEWAY_LISTEN": f"127.0.0.1:{door}", "TIERCEL_GATEWAY_CERT": str(certificate),
        "TIERCEL_GATEWAY_CERT_KEY": str(key), "TIERCEL_GATEWAY_SECRET_FILE": str(secret),
    }  # fmt: skip
    program = [*compose_program(), "-p", project, "-f", "docker-compose.yml", "-f", "deploy/compose/offline.yml"]

    def compose(*arguments: str) -> str:
        return run(*program, *arguments, env=env)

    ports = {"web": web, "temporal": temporal, "postgres": postgres, "door": door}
    try:
        compose("up", "-d")
        yield Stack(project, base / "home", ports, compose)
    finally:
        _remove(base, image, lambda: compose("down", "--volumes", "--timeout", "5"))


def _remove(base: Path, image: str, down: Callable[[], str]) -> None:
    with suppress(AssertionError):
        down()
    with suppress(OSError):
        label = f"tiercel.installation={(base / 'home' / 'installation').read_text().strip()}"
        left = run("docker", "ps", "-aq", "--filter", f"label={label}").split()
        _ = left and run("docker", "rm", "-f", *left)
    run(
        *("docker", "run", "--rm", "--network", "none", "--user", "0", "-v", f"{base}:/b", image),
        "rm",
        "-rf",
        "/b/home",
    )


def test_compose_accepts_the_file_and_its_overlay(engine: None):
    for files in (["docker-compose.yml"], ["docker-compose.yml", "deploy/compose/offline.yml"]):
        run(*compose_program(), *(part for name in files for part in ("-f", name)), "config", "-q")


def test_the_image_runs_as_nobody_special_and_knows_itself(image: str):
    inside = ("docker", "run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", image)
    assert "uid=10001" in run(*inside, "id")
    assert "Usage: tiercel" in run(*inside, "tiercel", "--help")
    said = subprocess.run([*inside, "tiercel", "doctor", "-o", "json"], capture_output=True, text=True, check=False)
    found = {f["name"]: (f["level"], f["cause"]) for f in json.loads(said.stdout)}
    assert found["user"] == ("ok", "tiercel")
    assert found["packages"][0] == "ok"
    assert found["claude cli"][0] == "ok"


def test_everything_gets_healthy(stack: Stack):
    def well() -> bool:
        return all(stack.state(name)["State"]["Health"]["Status"] == "healthy" for name in LASTING)

    def checks() -> str:
        found = {name: stack.state(name)["State"]["Health"] for name in LASTING}
        ill = {name: health for name, health in found.items() if health["Status"] != "healthy"}
        return f"{json.dumps(ill, indent=1)}\n{stack.compose('logs', '--tail', '30')}"

    wait_for(well, 120, checks)
    with urlopen(f"http://127.0.0.1:{stack.ports['web']}/healthz") as answer:
        told = json.load(answer)
    assert told["record"] is True
    assert told["engine"] is True
    assert told["dry_run"] is True


def test_every_process_of_ours_is_unprivileged(stack: Stack):
    """Lasting ones: a health check is root's in its first moment, until it gives that up, and is soon gone."""
    for name in LASTING:
        wait_for(lambda name=name: not _privileged(stack, name), 10, lambda name=name: str(_privileged(stack, name)))


def _privileged(stack: Stack, name: str) -> list[str]:
    listed = run("docker", "top", stack.container(name), "-eo", "pid,args").splitlines()[1:]
    working = [line for line in listed if "docker-init" not in line]
    assert working, name
    found: list[str] = []
    for line in working:
        with suppress(FileNotFoundError, ProcessLookupError):
            status = Path(f"/proc/{line.split()[0]}/status").read_text()
            fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            if "0" in fields["Uid"].split() or int(fields["CapEff"], 16) or fields["NoNewPrivs"] != "1":
                found.append(line)
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sees which process owns a socket")
def test_nothing_listens_beyond_loopback(stack: Stack):
    pids = {
        int(pid) for name in LASTING for pid in run("docker", "top", stack.container(name), "-eo", "pid").split()[1:]
    }
    found = [c for c in psutil.net_connections("inet") if c.status == psutil.CONN_LISTEN and c.pid in pids]
    listening = [(str(c.laddr[0]), int(c.laddr[1])) for c in found if c.laddr]
    assert {port for _, port in listening} >= set(stack.ports.values())
    assert {address for address, _ in listening} == {"127.0.0.1"}


def test_the_credential_is_in_the_gateway_alone(stack: Stack):
    holding = {name for name in LASTING if CANARY in json.dumps(stack.state(name))}
    assert holding == {"gateway"}
    assert CANARY not in stack.compose("logs")


async def test_another_machine_comes_in_by_tls_and_the_secret_of_the_gateway_alone(stack: Stack):
    url = f"https://localhost:{stack.ports['door']}"
    trusted = ssl.create_default_context(cafile=str(stack.home.parent / "outside.pem"))
    await Far(url, SECRET, trusted).known()
    with pytest.raises(ConfigurationError, match="same TIERCEL_GATEWAY_SECRET"):
        await Far(url, SECRET + "x", trusted).known()
    assert {name for name in LASTING if "/secret:/" in json.dumps(stack.state(name)["HostConfig"])} == {"gateway"}
    assert SECRET not in json.dumps([stack.state(name) for name in LASTING])
    assert SECRET not in stack.compose("logs")


def test_an_empty_folder_is_patrolled(stack: Stack):
    _run_now(stack)
    with urlopen(f"http://127.0.0.1:{stack.ports['web']}/services") as page:
        assert page.status == 200
    assert stack.tiercel("services") == []


def test_sessions_run_in_containers_that_the_containerised_worker_makes(stack: Stack):
    """CLI and runner come from the host folder, the door from the gateway's container; the model is scripted."""
    repository = stack.home.parent / "repos" / "one"
    repository.mkdir()
    (repository / "CLAUDE-OPS.md").write_text(MANIFEST % free_ports(1)[0])
    _run_now(stack)

    def given_up() -> Any:
        return [i for i in stack.tiercel("runs") if i["state"] == "needs_person"]

    incident = wait_for(given_up, 90, lambda: stack.compose("logs", "--tail", "30"))[0]
    assert incident["service"] == "local/gone"
    installation = run("docker", "exec", stack.container("web"), "cat", f"{stack.home}/installation").strip()
    made = run("docker", "ps", "-aq", "--filter", f"label=tiercel.installation={installation}").split()
    containers = json.loads(run("docker", "inspect", *made))
    assert len([c for c in containers if PREFIX not in c["Name"]]) == 3, "one of each tier, and perhaps one that waits"
    assert {c["HostConfig"]["NetworkMode"] for c in containers} == {"none"}


def test_the_looking_socket_only_looks(stack: Stack):
    """Asked from the gateway's container, which has no other way to the engine."""
    gateway = stack.container("gateway")
    script = (
        "import docker, sys; c = docker.APIClient(f'unix://{sys.argv[1]}/run/docker-read.sock')\n"
        "found = c.inspect_container(sys.argv[2]); env = found['Config']['Env']\n"
        "assert all(line.endswith('=***') for line in env) and env, env\n"
        "assert b'ready' in c.logs(sys.argv[2])\n"
        "assert c.images() and c.top(sys.argv[2])['Processes'] and c.stats(sys.argv[2], stream=False, one_shot=True)\n"
        "for ask in (lambda: c.restart(sys.argv[2]), lambda: next(c.export(sys.argv[2])), c.networks, lambda: c.exec_create(sys.argv[2], 'id'),\n"
        "            lambda: c.top(sys.argv[2], 'e -ww')):\n"
        "    try: ask()\n"
        "    except docker.errors.APIError as e: assert e.status_code == 403, e\n"
        "    else: sys.exit('not refused')\n"
    )
    run("docker", "exec", gateway, "python3", "-c", script, str(stack.home), stack.container("worker"))


def test_a_second_start_changes_nothing(stack: Stack):
    before = run("docker", "exec", stack.container("web"), "cat", "/secrets/database_url")
    stack.compose("down", "--timeout", "20")  # `stop` and `up` again fails with compose 1.29: it reads a stale health
    stack.compose("up", "-d")
    assert run("docker", "exec", stack.container("web"), "cat", "/secrets/database_url") == before
    wait_for(lambda: stack.tiercel("runs"), 60, lambda: stack.compose("logs", "--tail", "30"))


def _run_now(stack: Stack) -> None:
    """As the dashboard's button does, but named as a program."""
    address = f"http://127.0.0.1:{stack.ports['web']}"
    before = len(_patrols(stack))
    request = Request(f"{address}/runs", data=b"what=patrol", headers={"X-Tiercel-Client": "test"})
    with urlopen(request) as answer:
        assert answer.status == 200
    wait_for(lambda: len(_patrols(stack)) > before, 60, lambda: stack.compose("logs", "--tail", "30"))


def _patrols(stack: Stack) -> list[str]:
    script = "import psycopg; print(*[r[0] for r in psycopg.connect(open('/secrets/database_url').read().strip()).execute('select id from patrol')], sep='\\n')"
    return run("docker", "exec", stack.container("web"), "python3", "-c", script).split()
