"""A tiny application for tests of stopping: answers at once, after a while, or never."""

import asyncio
import sys
import time
from typing import Any

from service.asgi import ASGIApp, Receive, Scope, Send
from service.server import worker

WORK = 0.002  # seconds of the processor for each answer, so that a few clients are a load


class LingeringWorker(worker.Worker):
    """Waits so long for requests on their way that a slow test can still send them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        worker.LINGER = 2.5
        super().__init__(*args, **kwargs)


def create_app() -> ASGIApp:
    """`/never` never answers, `/slow` does after a second, anything else at once."""
    return application


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    if scope["path"] != "/":
        _tell(f"asked for {scope['path']}")
    if scope["path"] == "/never":
        await asyncio.Event().wait()
    if scope["path"] == "/slow":
        await asyncio.sleep(1)
    until = time.perf_counter() + WORK
    while time.perf_counter() < until:
        pass
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


async def _live(receive: Receive, send: Send) -> None:
    message: Any = {"type": ""}
    while message["type"] != "lifespan.shutdown":
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
    _tell("the application has ended in good order")


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
