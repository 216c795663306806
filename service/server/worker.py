"""The gunicorn worker: uvicorn's, told what a service on the open network needs.

Told to stop, it answers whatever clients sent before they could know of it; see `Server`.
"""

import asyncio
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Iterator
from typing import Any

from gunicorn.arbiter import Arbiter
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import Server as UvicornServer
from uvicorn.server import ServerState
from uvicorn_worker import UvicornWorker

from service.web import errors

HEADER_TIMEOUT = 10.0  # seconds from the connection, or the first byte, to the end of the headers
SEND_TIMEOUT = 10.0  # seconds in which a client must read on when it has let 64 KiB wait
GRACE_MARGIN = 5  # seconds left of gunicorn's graceful time-out to close what is open
LINGER = 1.0  # seconds for a request that was on its way when we were told to stop


class State(ServerState):
    """What the connections of a server share."""

    leaving = False


class BoundedProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP, which waits for ever for a client that begins and does not go on."""

    _deadline: asyncio.TimerHandle | None = None
    _send_deadline: asyncio.TimerHandle | None = None
    _unanswered: deque[RequestResponseCycle]  # several, where they came at once
    server_state: State

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._unanswered = deque()
        self._expect_headers()
        if self.server_state.leaving:
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting, and stop answering."""
        self._headers_arrived()
        self._reads_on()
        for cycle in self._unanswered:  # uvicorn sends the disconnect to the last one only
            cycle.disconnected = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take no more than the usual time for what is no request: it ends the keep-alive time.

        Empty lines are such, and a body that is still coming after its request was answered.
        """
        super().data_received(data)
        if self._deadline is None and self._is_idle():
            self._expect_headers()

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not read."""
        super().pause_writing()
        self._send_deadline = self.loop.call_later(SEND_TIMEOUT, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop waiting: it has read."""
        self._reads_on()
        super().resume_writing()

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a request's headers."""
        super().on_message_begin()
        if self._deadline is None:
            self._expect_headers()

    def on_headers_complete(self) -> None:
        """Stop waiting: from here on the application bounds what takes time."""
        self._headers_arrived()
        super().on_headers_complete()
        while self._unanswered and self._unanswered[0].response_complete:
            self._unanswered.popleft()
        self._unanswered.append(self.cycle)
        if self.server_state.leaving:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Answer what is under way and what arrives in the next moment, and close after it.

        Uvicorn closes idle connections at once, and with them every request that its client sent
        meanwhile. That may be a form, which nobody may send again unasked.
        """
        if self._is_idle():
            self.loop.call_later(LINGER, self._close_if_idle)
        else:
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        """Refuse what never becomes a request, as any other is refused."""
        data, headers = errors.malformed(msg)
        lines = [b"HTTP/1.1 400 Bad Request", *(b"%s: %s" % header for header in headers)]
        self.transport.write(b"\r\n".join([*lines, b"connection: close", b"", data]))
        self.transport.close()

    def _close_if_idle(self) -> None:
        if self._is_idle():
            self.transport.close()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _reads_on(self) -> None:
        if self._send_deadline is not None:
            self._send_deadline.cancel()
            self._send_deadline = None

    def _expect_headers(self) -> None:
        self._deadline = self.loop.call_later(HEADER_TIMEOUT, self.transport.abort)

    def _headers_arrived(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Server(UvicornServer):
    """Uvicorn's server, which loses no connection when it stops, and stops at once when told so."""

    def __init__(self, config: Config, parent: int, listeners: list[socket.socket]) -> None:
        super().__init__(config)
        self.server_state: State = State()
        self.parent = parent
        self.listeners = listeners

    async def on_tick(self, counter: int) -> bool:
        """Accept every client that waits, ten times a second; see decision 28.

        uvloop accepts one client in each iteration of its loop. Under load an iteration takes
        long, and clients would wait in the kernel's queue, which no limit of the service sees.
        Return True, which stops the server, also when gunicorn's first process was killed: its
        successor needs the port.
        """
        await self._connect(self._accepted())
        return os.getppid() != self.parent or await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take in the clients that wait to be accepted, then close as uvicorn does.

        The kernel has told them that they are connected, and resets them with the listener. Those
        of the microseconds between the two nobody can save but who sends them elsewhere before.
        """
        self.server_state.leaving = True
        waiting = self._accepted()
        for server in self.servers:
            server.close()
        await self._connect(waiting)
        await super().shutdown(sockets)

    def quit(self) -> None:
        """Stop without waiting for anything that is under way."""
        self.should_exit = self.force_exit = True

    def _accepted(self) -> list[socket.socket]:
        return [connection for listener in self.listeners for connection in _accept(listener)]

    async def _connect(self, connections: list[socket.socket]) -> None:
        if not connections:
            return
        connect = asyncio.get_running_loop().connect_accepted_socket
        # All at once: each takes as long as the loop needs for everything else that is under way.
        await asyncio.gather(
            *(connect(self._protocol, connection) for connection in connections),
            return_exceptions=True,  # some are gone already
        )

    def _protocol(self) -> asyncio.Protocol:
        return BoundedProtocol(self.config, self.server_state, self.lifespan.state)


class Worker(UvicornWorker):
    """Uvicorn's worker: answers what is under way before it stops, and names nobody in headers."""

    CONFIG_KWARGS: dict[str, Any] = {  # noqa: RUF012 - the base class's form
        "loop": "auto",
        "http": BoundedProtocol,
        "ws": "none",
        "lifespan": "on",
        # Whom to believe about the client's address is for service.security.client_address.
        "proxy_headers": False,
        "server_header": False,
        # service.logs writes the access lines, with the request's id.
        "access_log": False,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.config.timeout_graceful_shutdown = max(1, self.cfg.graceful_timeout - GRACE_MARGIN)

    def run(self) -> None:
        """As the base class does, with our server."""
        with asyncio.Runner(loop_factory=self.config.get_loop_factory()) as runner:
            runner.run(self._work())

    async def _work(self) -> None:
        """Serve until the end. SIGQUIT is gunicorn's "at once"."""
        self.config.app = self.wsgi
        # Without gunicorn's wrapper, which uvloop would close a second time.
        listeners = [wrapper.sock for wrapper in self.sockets]
        server = Server(self.config, self.ppid, listeners)
        asyncio.get_running_loop().add_signal_handler(signal.SIGQUIT, server.quit)
        await server.serve(sockets=listeners)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)


def _accept(listener: socket.socket) -> Iterator[socket.socket]:
    """Every client that waits at a listener, which does not block."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        yield connection
