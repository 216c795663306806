"""The parts of the worker that no client over a socket can time."""

import asyncio
import os
import socket
from typing import Any
from unittest.mock import Mock

from uvicorn.config import Config

from service.asgi import Receive, Scope, Send
from service.server.worker import BoundedProtocol, Server, State

REQUEST = b"GET /%d HTTP/1.1\r\nHost: localhost\r\n\r\n"
START = {"type": "http.response.start", "status": 204, "headers": []}
END = {"type": "http.response.body", "body": b"", "more_body": False}


async def test_client_leaves_several_requests() -> None:
    """Sent at once, one after the other is answered; none is once the client is gone."""
    begun: list[str] = []
    second, go_on = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.append(scope["path"])
        await receive()
        if scope["path"] != "/0":
            second.set()
            await go_on.wait()
            assert await receive() == {"type": "http.disconnect"}
        await send(START)
        await send(END)

    config = Config(app=app, http=BoundedProtocol, lifespan="off", log_config=None)
    config.load()
    protocol = BoundedProtocol(config, State(), {})
    transport: Any = Mock(asyncio.Transport)
    transport.is_closing.return_value = False
    transport.get_extra_info.return_value = None
    protocol.connection_made(transport)
    protocol.data_received(b"".join(REQUEST % number for number in range(4)))
    await second.wait()
    written = transport.write.call_count
    assert written

    transport.is_closing.return_value = True
    protocol.connection_lost(None)
    go_on.set()
    await asyncio.gather(*protocol.tasks)
    assert begun == ["/0", "/1"]
    assert transport.write.call_count == written


async def test_every_client_that_waits_is_accepted() -> None:
    """One tick takes in all of them: uvloop by itself takes in one for each iteration."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(START)
        await send(END)

    config = Config(app=app, http=BoundedProtocol, lifespan="off", log_config=None)
    config.load()
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        listener.setblocking(False)
        server = Server(config, os.getppid(), [listener])
        server.lifespan = Mock(state={})
        address = listener.getsockname()
        clients = [await asyncio.open_connection(*address) for _ in range(50)]
        assert not await server.on_tick(1)
        assert len(server.server_state.connections) == 50
    for reader, writer in clients:
        writer.write(REQUEST % 0)
        assert b" 204 " in await reader.readline()
        writer.close()
