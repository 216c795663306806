"""The bytes of HTTP requests, as the clients send them."""

from collections.abc import Mapping
from urllib.parse import urlencode

HOST = "127.0.0.1"
AGENT = "readlog-bench"  # the same when signing in: Flask-Login ties a session to it
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def get(port: int, path: str, headers: Mapping[str, str] | None = None) -> bytes:
    """A GET."""
    return _request("GET", port, path, headers or {}, b"")


def post(
    port: int, path: str, body: bytes, content_type: str, headers: Mapping[str, str] | None = None
) -> bytes:
    """A POST from a page of the same origin."""
    more = {
        "Origin": f"http://{HOST}:{port}",
        "Content-Type": content_type,
        "Content-Length": str(len(body)),
    }
    return _request("POST", port, path, {**(headers or {}), **more}, body)


def form(fields: Mapping[str, str]) -> bytes:
    """The body of a form."""
    return urlencode(fields).encode("ascii")


def _request(method: str, port: int, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}:{port}", f"User-Agent: {AGENT}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
