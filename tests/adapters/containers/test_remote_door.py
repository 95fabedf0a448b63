"""Both engines, unchanged, over a door that is on another machine: no network, one socket, no token inside."""

import json
from pathlib import Path

from domain.ports import Door, SessionFolder
from gateway.remote.relay import FarDoors
from tests.adapters.containers.conftest import Bench
from tests.support import gateway
from tests.support.remote import SECRET, entrance

INSIDE = """
import json, os, socket, time, urllib.request, urllib.error
said = 0
while not said:
    try:
        urllib.request.urlopen("http://127.0.0.1:9000/nothing", timeout=20)
    except urllib.error.HTTPError as e:
        said = e.code
    except urllib.error.URLError:
        time.sleep(0.05)
try:
    socket.create_connection(("{host}", {port}), 2)
    out = "connected"
except OSError as e:
    out = type(e).__name__
print(json.dumps(dict(said=said, out=out, env=dict(os.environ), sees=sorted(os.listdir("/proc/self/cwd/..")))))
"""


async def test_a_session_of_another_machine_has_its_door_and_no_other_way(bench: Bench, tmp_path: Path) -> None:
    async with gateway.room(tmp_path / "far") as room, entrance(room, tls=True) as entered:
        script = INSIDE.replace("{host}", "127.0.0.1").replace("{port}", str(entered.port))
        launch = bench.launch(f"exec /usr/bin/python3 -I -c '{script}'")
        keeper = FarDoors(bench.sessions, entered.far)
        door: Door = gateway.make_door(tmp_path, 1, launch.session, folder=SessionFolder(root=launch.folder.root))
        await keeper.open(door)
        token = keeper._led[door.session].token
        handle = await bench.engine.start_or_attach(launch)
        state = await bench.end(handle, 60)
        told = (await bench.output(handle)).decode()
        kept = b"".join(p.read_bytes() for p in launch.folder.root.rglob("*") if p.is_file())
        assert await keeper.close(door.session)
        await keeper.stop()
    assert state.code == 0, state
    seen = json.loads(told)
    assert seen["said"] == 404, "the far gateway's own word"
    assert seen["out"] != "connected"
    for secret in (token.partition(".")[2], SECRET):
        assert secret not in told
        assert secret.encode() not in kept
