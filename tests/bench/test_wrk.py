"""The closed-loop client: what wrk prints is read, and nothing else is taken for it."""

import json
import shutil
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench import requests, wrk
from bench.__main__ import main
from bench.wrk import MISSING, Seen, WrkError, parsed
from tests.servers import free_port

FIGURES = {
    "microseconds": 2_000_000,
    "bytes": 80_000,
    "p50": 1500,
    "p99": 20_250,
    "statuses": {"200": 390, "503": 10},
    "errors": {"connect": 0, "read": 2, "write": 0, "timeout": 0},
}
# What wrk prints itself, before the script's line.
BEFORE = """Running 2s test @ http://127.0.0.1:1234
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.01ms    1.10ms  20.25ms   90.00%
  400 requests in 2.00s, 78.12KB read
  Non-2xx or 3xx responses: 10
Requests/sec:    200.00
"""


def test_parsed() -> None:
    """Microseconds become seconds and milliseconds; only connections that failed are kept."""
    seen = parsed(f"{BEFORE}\n{json.dumps(FIGURES)}\n")
    assert seen == Seen(2.0, {200: 390, 503: 10}, 1.5, 20.25, 200.0, {"read": 2})
    assert seen.answers == 400


def test_parsed_nothing_answered() -> None:
    """No answer is no reason to divide by their number."""
    seen = parsed(json.dumps(FIGURES | {"statuses": {}, "bytes": 0}))
    assert (seen.answers, seen.body_bytes) == (0, 0)


@pytest.mark.parametrize(
    "output",
    [
        "",
        BEFORE,
        "unable to connect to 127.0.0.1:1 Connection refused",
        '["a list"]',
        "42",
        json.dumps({**FIGURES, "statuses": {"good": 1}}),
        json.dumps({name: value for name, value in FIGURES.items() if name != "p99"}),
        json.dumps(FIGURES)[:-1],
    ],
)
def test_parsed_other_output(output: str) -> None:
    with pytest.raises(WrkError, match="no figures"):
        parsed(output)


def test_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without wrk the bench says in one line how to get it, and starts nothing."""
    monkeypatch.setenv("PATH", "/nowhere")
    assert main([]) != 0
    assert capsys.readouterr().err == f"{MISSING}\n"


class _Answers(BaseHTTPRequestHandler):
    """200 for /, else 404; keeps what was sent."""

    protocol_version = "HTTP/1.1"
    seen: set[tuple[str, str, bytes]]

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        self.seen.add((self.command, self.path, body))
        self.send_response(200 if self.path == "/" else 404)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[int, set[tuple[str, str, bytes]]]]:
    """The port of a server, and what it was sent."""
    seen: set[tuple[str, str, bytes]] = set()
    handler = type("Answers", (_Answers,), {"seen": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            yield server.server_address[1], seen
        finally:
            server.shutdown()


needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")


@needs_wrk
def test_run(server: tuple[int, set[tuple[str, str, bytes]]]) -> None:
    """Every request is sent as it is, in turn, and answers are counted by their status."""
    port, sent = server
    body = requests.form({"title": "Ü & a\nb"})
    asked = [
        requests.get(port, "/"),
        requests.get(port, "/other"),
        requests.post(port, "/", body, requests.FORM),
    ]
    seen = wrk.run(port, asked, seconds=1, connections=2)
    assert sent == {("GET", "/", b""), ("GET", "/other", b""), ("POST", "/", body)}
    assert set(seen.statuses) == {200, 404}
    assert abs(seen.statuses[200] - 2 * seen.statuses[404]) <= 4
    assert seen.seconds >= 1
    assert 0 < seen.p50 <= seen.p99
    assert seen.errors == {}


@needs_wrk
def test_run_nobody_listens() -> None:
    with pytest.raises(WrkError):
        wrk.run(free_port(), [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"], 1, 1)


class _HangsUp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(1000)


@needs_wrk
def test_run_server_hangs_up() -> None:
    """Connections that end without an answer are told."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _HangsUp) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        port = server.server_address[1]
        try:
            seen = wrk.run(port, [requests.get(port, "/")], 1, 1)
        finally:
            server.shutdown()
    assert seen.answers == 0
    assert seen.errors["read"] > 0
