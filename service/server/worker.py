"""The gunicorn worker: uvicorn's, with time-outs and a stop that loses no request (decision 22).

While it stops, it answers the requests that clients sent before they could know that; see `Server`.
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
SEND_TIMEOUT = 10.0  # seconds in which a client must read more when 64 KiB wait to be sent
GRACE_MARGIN = 5  # seconds of gunicorn's graceful time-out that remain for closing everything
LINGER = 1.0  # seconds in which a request may arrive that was sent before we began to stop


class State(ServerState):
    """The state that all connections of a server share."""

    leaving = False


class BoundedProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP with time-outs: uvicorn itself waits for ever for a client that has begun."""

    _deadline: asyncio.TimerHandle | None = None
    _send_deadline: asyncio.TimerHandle | None = None
    _unanswered: deque[RequestResponseCycle]  # several, if the client pipelines requests
    server_state: State

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time-out for the headers of the first request."""
        super().connection_made(transport)
        self._unanswered = deque()
        self._expect_headers()
        if self.server_state.leaving:
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the time-outs, and tell all unanswered requests that the client has gone."""
        self._cancel_deadline()
        self._cancel_send_deadline()
        for cycle in self._unanswered:  # uvicorn sends the disconnect to the last one only
            cycle.disconnected = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Start the time-out for headers if the data is no request.

        Data ends uvicorn's keep-alive time-out, even if it is an empty line, or the rest of the
        body of a request that was answered already.
        """
        super().data_received(data)
        if self._deadline is None and self._is_idle():
            self._expect_headers()

    def pause_writing(self) -> None:
        """Start the time-out for a client that does not read."""
        super().pause_writing()
        self._send_deadline = self.loop.call_later(SEND_TIMEOUT, self.transport.abort)

    def resume_writing(self) -> None:
        """Cancel that time-out: the client has read."""
        self._cancel_send_deadline()
        super().resume_writing()

    def on_message_begin(self) -> None:
        """Start the time-out for the headers of a request."""
        super().on_message_begin()
        if self._deadline is None:
            self._expect_headers()

    def on_headers_complete(self) -> None:
        """Cancel that time-out: from here on the application has its own time-outs."""
        self._cancel_deadline()
        super().on_headers_complete()
        while self._unanswered and self._unanswered[0].response_complete:
            self._unanswered.popleft()
        self._unanswered.append(self.cycle)
        if self.server_state.leaving:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Answer the present request and those that arrive within LINGER, then close.

        Uvicorn closes idle connections at once, and loses a request that the client has just sent.
        It may be a form, which a browser must not send again without asking.
        """
        if self._is_idle():
            self.loop.call_later(LINGER, self._close_if_idle)
        else:
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        """Answer data that is not HTTP with the same document as other refusals."""
        data, headers = errors.malformed(msg)
        lines = [b"HTTP/1.1 400 Bad Request", *(b"%s: %s" % header for header in headers)]
        self.transport.write(b"\r\n".join([*lines, b"connection: close", b"", data]))
        self.transport.close()

    def _close_if_idle(self) -> None:
        if self._is_idle():
            self.transport.close()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _cancel_send_deadline(self) -> None:
        if self._send_deadline is not None:
            self._send_deadline.cancel()
            self._send_deadline = None

    def _expect_headers(self) -> None:
        self._deadline = self.loop.call_later(HEADER_TIMEOUT, self.transport.abort)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Server(UvicornServer):
    """Uvicorn's server with a stop that loses no connection, and with a stop at once (`quit`)."""

    def __init__(self, config: Config, parent: int, listeners: list[socket.socket]) -> None:
        super().__init__(config)
        self.server_state: State = State()
        self.parent = parent
        self.listeners = listeners

    async def on_tick(self, counter: int) -> bool:
        """Accept every client that waits; called ten times a second (decision 28).

        uvloop accepts one client in each iteration of its loop. Under load an iteration takes
        long, and clients would wait in the kernel's queue, which no limit of the service sees.

        Return True to stop, also if gunicorn's master was killed: the next master needs the port.
        """
        await self._connect(self._accepted())
        return os.getppid() != self.parent or await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept the clients that wait in the listeners' queues, then close as uvicorn does.

        For the kernel these clients are connected, and closing a listener would reset them. A
        client that connects in the microseconds between accepting and closing is still lost; only
        a proxy that sends requests elsewhere before the stop prevents that.
        """
        self.server_state.leaving = True
        waiting = self._accepted()
        for server in self.servers:
            server.close()
        await self._connect(waiting)
        await super().shutdown(sockets)

    def quit(self) -> None:
        """Stop without waiting for requests."""
        self.should_exit = self.force_exit = True

    def _accepted(self) -> list[socket.socket]:
        return [connection for listener in self.listeners for connection in _accept(listener)]

    async def _connect(self, connections: list[socket.socket]) -> None:
        if not connections:
            return
        connect = asyncio.get_running_loop().connect_accepted_socket
        # Concurrently, because each one waits for all other tasks that are ready in the loop.
        await asyncio.gather(
            *(
                connect(self._protocol, connection, ssl=self.config.ssl)
                for connection in connections
            ),
            return_exceptions=True,  # some clients have gone already
        )

    def _protocol(self) -> asyncio.Protocol:
        return BoundedProtocol(self.config, self.server_state, self.lifespan.state)


class Worker(UvicornWorker):
    """Uvicorn's worker with our server and our protocol."""

    CONFIG_KWARGS: dict[str, Any] = {  # noqa: RUF012 - the base class's form
        "loop": "auto",
        "http": BoundedProtocol,
        "ws": "none",
        "lifespan": "on",
        # service.security.client_address finds the client's address.
        "proxy_headers": False,
        "server_header": False,
        # service.logs writes the access lines, with the request's id.
        "access_log": False,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.config.timeout_graceful_shutdown = max(1, self.cfg.graceful_timeout - GRACE_MARGIN)

    def run(self) -> None:
        """Run the event loop, as the base class does, with our server."""
        with asyncio.Runner(loop_factory=self.config.get_loop_factory()) as runner:
            runner.run(self._work())

    async def _work(self) -> None:
        """Serve until the end. On SIGQUIT gunicorn's workers stop at once."""
        self.config.app = self.wsgi
        # Plain sockets: uvloop would close gunicorn's wrapper a second time.
        listeners = [wrapper.sock for wrapper in self.sockets]
        server = Server(self.config, self.ppid, listeners)
        asyncio.get_running_loop().add_signal_handler(signal.SIGQUIT, server.quit)
        await server.serve(sockets=listeners)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)


def _accept(listener: socket.socket) -> Iterator[socket.socket]:
    """Yield the connections that wait in the queue of a listener; it must not block."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        yield connection
