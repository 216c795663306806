"""Requests as they come over the wire: for what a well-behaved test client would not send."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from quart import Quart

from service.asgi import ASGIApp

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Answer:
    """An answer with every header that was sent, twice where it was sent twice."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """The values of a header."""
        return [value for known, value in self.headers if known.lower() == name.lower()]

    def one(self, name: str) -> str:
        """The value of a header that is there once."""
        values = self.all(name)
        assert len(values) == 1, f"{name}: {values}"
        return values[0]

    @property
    def text(self) -> str:
        return self.body.decode()


async def send(
    app: Quart,
    method: str = "GET",
    target: bytes | str = "/",
    *,
    headers: Iterable[tuple[bytes | str, bytes | str]] = (),
    body: bytes | Sequence[bytes] = b"",
    peer: str = "192.0.2.1",
    scheme: str = "http",
    stalls: bool = False,
) -> Answer:
    """Call the application as a server does; nothing is added but a Host where none is given.

    The target's path is decoded as uvicorn does it. A body in several parts arrives in as many.
    One that `stalls` never ends.
    """
    path, _, query = _bytes(target).partition(b"?")
    sent = [(_bytes(name).lower(), _bytes(value)) for name, value in headers]
    if not any(name == b"host" for name, _ in sent):
        sent.insert(0, (b"host", b"localhost"))
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": scheme,
        "path": unquote_to_bytes(path).decode(errors="replace"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": sent,
        "client": (peer, 50000),
        "server": ("127.0.0.1", 80),
        "extensions": {},
    }
    parts = [body] if isinstance(body, bytes) else list(body)
    incoming = [
        {"type": "http.request", "body": part, "more_body": stalls or number < len(parts)}
        for number, part in enumerate(parts, 1)
    ]
    outgoing: list[Any] = []

    async def receive() -> Any:
        if stalls and not incoming:
            await asyncio.Event().wait()
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def keep(message: Any) -> None:
        outgoing.append(message)

    await cast(ASGIApp, app)(scope, receive, keep)
    start = outgoing[0]
    return Answer(
        start["status"],
        [(name.decode("latin1"), value.decode("latin1")) for name, value in start["headers"]],
        b"".join(message.get("body", b"") for message in outgoing[1:]),
    )


async def send_form(
    app: Quart,
    target: str,
    body: bytes | Sequence[bytes],
    *,
    headers: Iterable[tuple[bytes | str, bytes | str]] = (),
    origin: str = "http://localhost",
    content_type: str = FORM,
    **options: Any,
) -> Answer:
    """POST bytes as a form of our own page's."""
    own = [("Origin", origin), ("Content-Type", content_type)]
    return await send(app, "POST", target, headers=[*own, *headers], body=body, **options)


def _bytes(text: bytes | str) -> bytes:
    return text.encode() if isinstance(text, str) else text
