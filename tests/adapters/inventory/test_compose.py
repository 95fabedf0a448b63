from pathlib import Path

import pytest

from domain.health import ContainerProbe, HttpProbe, TcpProbe
from domain.inventory import ServiceKind
from tests.adapters.inventory.conftest import Read, Write, manifest

STACK = """
name: media
services:
  vpn:
    image: vpn
    ports: ["8112:8112"]
  torrent:
    network_mode: service:vpn
    container_name: torrent
    labels: {tiercel.aliases: "deluge, t"}
  jellyfin:
    depends_on: {database: {condition: service_healthy}}
    ports:
      - "0.0.0.0:8096:8096"
    healthcheck: {test: ["CMD", "curl", "-f", "http://localhost:8096/health"]}
  database:
    ports:
      - {target: 5432, published: "15432", host_ip: 192.168.1.5}
      - "53:53/udp"
      - "9000-9005:9000-9005"
  tool:
    profiles: [debug]
  hidden:
    labels: ["tiercel.ignore=true"]
"""


async def test_compose_services_become_container_services(write: Write, read: Read, repos: Path):
    write("home/media/compose.yaml", STACK)
    inventory = await read()
    assert inventory.problems == ()
    vpn, torrent, jellyfin, database = inventory.services
    assert {s.kind for s in inventory.services} == {ServiceKind.CONTAINER}
    assert (vpn.id, vpn.target) == ("local/vpn", "media-vpn-1")
    assert vpn.probes == (ContainerProbe(container="media-vpn-1"), TcpProbe(name="tcp", host="127.0.0.1", port=8112))
    assert (torrent.target, torrent.shares_network_of, torrent.aliases) == ("torrent", "local/vpn", ("deluge", "t"))
    assert jellyfin.depends_on == ("local/database",)
    assert isinstance(jellyfin.probes[1], HttpProbe)
    assert jellyfin.probes[1].url == "http://127.0.0.1:8096/health"
    assert database.probes[1:] == (TcpProbe(name="tcp", host="192.168.1.5", port=15432),)
    assert vpn.compose is not None
    assert (vpn.compose.project, vpn.compose.service) == ("media", "vpn")
    assert vpn.compose.file == str((repos / "home/media/compose.yaml").resolve())


async def test_the_manifest_adds_to_a_compose_service(write: Write, read: Read):
    write("home/compose.yml", "services: {web: {ports: ['8080:80']}}")
    write("home/CLAUDE-OPS.md", manifest("  - {name: web, critical: true, approval: [recreate]}"))
    (web,) = (await read()).services
    assert (web.target, web.critical, len(web.probes)) == ("home-web-1", True, 2)
    assert isinstance(web.probes[1], HttpProbe)
    assert 404 in web.probes[1].expect_status


async def test_a_broken_manifest_entry_for_it_stops_all_action(write: Write, read: Read):
    write("home/compose.yml", "services: {web: {}, db: {}}")
    write("home/CLAUDE-OPS.md", manifest("  - {name: web, aproval: [restart]}"))
    inventory = await read()
    assert [bool(s.actions) for s in inventory.services] == [False, True]
    assert inventory.problems[0].fix == "did you mean 'approval'?"


async def test_variables_come_from_dotenv_and_defaults_never_from_our_environment(
    write: Write, read: Read, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    write("home/.env", "PORT='9999'\nexport NAME=shop # the name\n")
    write(
        "home/compose.yaml",
        "services:\n"
        "  web: {container_name: '${NAME}-${STAGE:-live}', ports: ['${PORT}:81']}\n"
        "  leak: {container_name: 'x-${ANTHROPIC_API_KEY}'}\n",
    )
    inventory = await read()
    (web,) = inventory.services
    assert web.target == "shop-live"
    assert web.probes[1] == TcpProbe(name="tcp", host="127.0.0.1", port=9999)
    assert "${ANTHROPIC_API_KEY} has no value" in inventory.problems[0].message
    assert "sk-secret" not in inventory.model_dump_json()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services: [a]", "missing"),
        ("just words", "missing"),
        ("services: {a: {ports: *x}}", "stands for nothing"),
        ("services: {a: text}", "mapping"),
        ("services: {'../../x': {}}", "no usable service name"),
        ("services: {a: {container_name: '--privileged'}}", "no container name"),
        ("services: {a: {labels: {tiercel.probes: '[{kind: nope}]'}}}", "no kind of probe"),
    ],
)
async def test_a_broken_compose_file_is_a_problem_and_the_rest_goes_on(write: Write, read: Read, text: str, words: str):
    write("bad/compose.yaml", text)
    write("good/compose.yaml", "services: {fine: {}}")
    inventory = await read()
    assert inventory.by_id("local/fine") is not None
    assert words in inventory.problems[0].message
    assert inventory.problems[0].file == "compose.yaml"


async def test_labels_may_declare_probes(write: Write, read: Read):
    label = '[{kind: http, url: "http://127.0.0.1:1/x", contains: ok}]'
    write(
        "home/compose.yaml", f"services:\n  web:\n    ports: ['80:80']\n    labels:\n      - 'tiercel.probes={label}'\n"
    )
    (web,) = (await read()).services
    assert [p.kind for p in web.probes] == ["container", "http"]


async def test_only_the_first_compose_file_of_a_folder_counts(write: Write, read: Read):
    write("home/compose.yaml", "services: {a: {}}")
    write("home/docker-compose.yml", "services: {b: {}}")
    write("home/one/compose.yml", "services: {c: {}}")
    write("home/one/two/compose.yml", "services: {d: {}}")
    write("home/.hidden/compose.yml", "services: {e: {}}")
    assert [s.id for s in (await read()).services] == ["local/a", "local/c"]
