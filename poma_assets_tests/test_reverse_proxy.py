"""``deploy/nginx/poma.conf`` as it is, before a real Dagster webserver: in with the login, out without it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

CONFIG = Path(__file__).resolve().parents[1] / "deploy" / "nginx" / "poma.conf"
NAME = "poma.example.org"
LOGIN = "Basic " + base64.b64encode(b"anna:correct horse").decode()
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
QUERY = json.dumps({"query": "{ version }"}).encode()

pytestmark = pytest.mark.skipif(
    NGINX is None or shutil.which("openssl") is None,
    reason="nginx is not installed (Debian: apt-get install nginx-light)",
)


@dataclass(frozen=True)
class Proxy:
    """Where nginx listens, and the certificate that it shows."""

    port: int
    plain_port: int
    certificate: Path

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"it ended with exit status {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail(f"nothing listens on port {port}")


@contextmanager
def running(argv: list[str], port: int, folder: Path, **environment: str) -> Iterator[None]:
    with (folder / f"{port}.log").open("wb") as log:
        process = subprocess.Popen(
            argv, stdout=log, stderr=log, cwd=folder, env={**os.environ, **environment}, start_new_session=True
        )
        try:
            wait_for(port, process)
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # Asked politely, the webserver takes ten seconds.
            process.wait(30)


def made_ready(folder: Path, proxy: Proxy, upstream_port: int) -> Path:
    """The shipped configuration with ports and paths of this test, within the least that nginx needs around it."""
    text = CONFIG.read_text(encoding="utf-8")
    for shipped, own in (
        ("listen 80;", f"listen 127.0.0.1:{proxy.plain_port};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{proxy.port} ssl;"),
        ("server 127.0.0.1:3000;", f"server 127.0.0.1:{upstream_port};"),
        ("/etc/poma/tls/poma.crt", str(proxy.certificate)),
        ("/etc/poma/tls/poma.key", str(folder / "poma.key")),
        ("/etc/poma/users", str(folder / "users")),
    ):
        assert text.count(shipped) == 1, shipped
        text = text.replace(shipped, own)
    (folder / "poma.conf").write_text(text, encoding="utf-8")
    places = "".join(
        f"{kind}_temp_path {folder / kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    whole = folder / "nginx.conf"
    whole.write_text(
        f"{user}daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log {folder}/access.log;\n{places}include {folder}/poma.conf;\n}}\n"
    )
    return whole


def make_keys(folder: Path, certificate: Path) -> None:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(folder / "poma.key")]
    name = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME},DNS:localhost"]
    argv = ["openssl", "req", "-x509", *key, *name, "-days", "2", "-out", str(certificate)]
    subprocess.run(argv, check=True, capture_output=True)
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=b"correct horse", check=True, capture_output=True
    ).stdout.decode()
    (folder / "users").write_text(f"anna:{hashed}")


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("nginx")
    made = Proxy(free_port(), free_port(), folder / "poma.crt")
    make_keys(folder, made.certificate)
    (folder / "tiny.py").write_text(
        "import dagster as dg\n\n\n@dg.asset\ndef one(): ...\n\n\ndefs = dg.Definitions([one])\n"
    )
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    upstream = free_port()
    webserver = [sys.executable, "-m", "dagster_webserver", "-f", "tiny.py", "-h", "127.0.0.1", "-p", str(upstream)]
    assert NGINX is not None
    nginx = [NGINX, "-p", str(folder), "-c", str(made_ready(folder, made, upstream))]
    with running(webserver, upstream, folder, DAGSTER_HOME=str(folder)), running(nginx, made.port, folder):
        yield made


def ask(proxy: Proxy, path: str = "/graphql", body: bytes | None = QUERY, **headers: str) -> tuple[int, bytes]:
    """Status and body of an answer; the machine is called by the name that the certificate bears."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(
        f"https://localhost:{proxy.port}{path}",
        data=body,
        headers={"Host": NAME, "Content-Type": "application/json", **named},
    )
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=proxy.context())
    )
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.mark.parametrize("path", ["/", "/graphql", "/server_info", "/logs/x", "/no/such/page"])
def test_nobody_gets_in_without_the_login(proxy: Proxy, path: str) -> None:
    assert ask(proxy, path, None)[0] == 401
    wrong = "Basic " + base64.b64encode(b"anna:wrong").decode()
    assert ask(proxy, path, None, Authorization=wrong)[0] == 401


def test_with_the_login_graphql_answers(proxy: Proxy) -> None:
    status, body = ask(proxy, Authorization=LOGIN)
    assert status == 200
    assert json.loads(body)["data"]["version"]
    assert ask(proxy, "/", None, Authorization=LOGIN)[0] == 200
    own = ask(proxy, Authorization=LOGIN, Origin=f"https://{NAME}", Sec_Fetch_Site="same-origin")
    assert own[0] == 200


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}]
)
def test_what_another_page_asks_with_the_users_login_is_refused(proxy: Proxy, headers: dict[str, str]) -> None:
    assert ask(proxy, Authorization=LOGIN, **headers)[0] == 403
    assert ask(proxy, "/graphql?query=%7Bversion%7D", None, Authorization=LOGIN, **headers)[0] == 403


def test_an_unencrypted_request_is_sent_to_the_encrypted_page(proxy: Proxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.plain_port), timeout=10) as connection:
        connection.sendall(f"GET /runs HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
        answer = connection.recv(4096).decode()
    assert answer.startswith("HTTP/1.1 301")
    assert f"Location: https://{NAME}/runs" in answer


async def subscribe(proxy: Proxy, headers: dict[str, str]) -> str:
    """Open the websocket of GraphQL subscriptions; the type of the first message of the server."""
    from websockets.asyncio.client import connect
    from websockets.typing import Subprotocol

    async with connect(
        f"wss://localhost:{proxy.port}/graphql",
        ssl=proxy.context(),
        subprotocols=[Subprotocol("graphql-ws")],
        additional_headers=headers,
        proxy=None,
    ) as socket_:
        await socket_.send(json.dumps({"type": "connection_init", "payload": {}}))
        return str(json.loads(await asyncio.wait_for(socket_.recv(), 30))["type"])


def test_subscriptions_come_through_as_websockets(proxy: Proxy) -> None:
    from websockets.exceptions import InvalidStatus

    assert asyncio.run(subscribe(proxy, {"Authorization": LOGIN})) == "connection_ack"
    for headers, status in (({}, 401), ({"Authorization": LOGIN, "Origin": "https://evil.example"}, 403)):
        with pytest.raises(InvalidStatus) as refused:
            asyncio.run(subscribe(proxy, headers))
        assert refused.value.response.status_code == status
