"""A TCP proxy on 127.0.0.1 that fails in the ways that a network and a database do."""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from sqlalchemy import make_url

from tests.servers import free_port

CONNECTIONS = 300  # at once; more are reset
CUT_PAUSE = 0.1  # seconds in which the target acts on what it got before a cut
STEP_TIMEOUT = 10.0  # seconds for any change of mode
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST, and throw away what is unsent

T = TypeVar("T")


class Proxy:
    """Forwards to `target`. It runs in a thread, so that it works while a test waits.

    Every method returns when its change is in force.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.port = free_port()
        self.accepted = 0
        self.cuts = 0
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._listener: socket.socket | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._latency = 0.0
        self._silent = False
        self._resets = 0
        self._cut: Callable[[bytes], int | None] | None = None

    def url(self, url: str) -> str:
        """A database's URL, led through here; without TLS, so that messages can be read."""
        through = make_url(url).set(host="127.0.0.1", port=self.port)
        through = through.update_query_dict({"sslmode": "disable"})
        return through.render_as_string(hide_password=False)

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._writers) // 2

    def up(self) -> None:
        """Take connections and forward everything at once. What was swallowed stays lost."""
        self._latency, self._silent, self._cut = 0.0, False, None
        self._call(self._listen())

    def down(self) -> None:
        """Refuse new connections, and reset those that are there."""
        self._call(self._refuse())

    def delay(self, seconds: float) -> None:
        """Hold everything back for about this long, each way."""
        self._latency = seconds

    def swallow(self) -> None:
        """Take connections and bytes, forward nothing, and say nothing about it."""
        self._silent = True

    def reset(self) -> None:
        """Reset every connection that is there; new ones are served."""
        self._call(self._reset())

    def cut_after(self, count: int) -> None:
        """Forward this many bytes more from clients, all of them together; then reset once."""
        left = count

        def place(data: bytes) -> int | None:
            nonlocal left
            left -= len(data)
            return None if left > 0 else len(data) + left

        self._cut = place

    def cut_on(self, message: bytes) -> None:
        """Forward what a client sends up to these bytes and the rest of their packet; then reset.

        The server has the message; its answer is lost.
        """
        self._cut = lambda data: len(data) if message in data else None

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=CONNECTIONS)
            self._listener.setblocking(False)
            self._loop.add_reader(self._listener, self._accept, self._listener)

    def _accept(self, listener: socket.socket) -> None:
        # Not asyncio's server: closing that one drops, unclosed, what it has just accepted.
        with suppress(BlockingIOError, ConnectionAbortedError):
            connection, _ = listener.accept()
            connection.setblocking(False)
            task = self._loop.create_task(self._serve(connection, self._resets))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

    async def _refuse(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        await self._reset()

    async def _reset(self) -> None:
        self._resets += 1
        for writer in list(self._writers):
            _abort(writer)

    async def _serve(self, connection: socket.socket, resets: int) -> None:
        self.accepted += 1
        reader, writer = await asyncio.open_connection(sock=connection)
        if resets != self._resets:  # reset before it was known
            _abort(writer)
            return
        self._writers.add(writer)
        onward: asyncio.StreamWriter | None = None
        try:
            if len(self._writers) > 2 * CONNECTIONS:
                return
            await self._silence()
            answers, onward = await asyncio.open_connection(*self._target)
            self._writers.add(onward)
            muted = asyncio.Event()
            there = asyncio.create_task(self._from_client(reader, onward, muted))
            back = asyncio.create_task(self._from_target(answers, writer, muted))
            try:
                await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
            finally:
                there.cancel()
                back.cancel()
                await asyncio.gather(there, back, return_exceptions=True)
        except OSError:
            pass  # the target refuses: so do we
        finally:
            for end in (writer, onward):
                if end is not None:
                    self._writers.discard(end)
                    _abort(end)

    async def _from_client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, muted: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(2**16):
                await self._hold_back()
                place = self._cut(data) if self._cut else None
                if place is None:
                    writer.write(data)
                    await writer.drain()
                    continue
                self._cut = None
                self.cuts += 1
                muted.set()
                writer.write(data[:place])
                await asyncio.sleep(CUT_PAUSE)
                return

    async def _from_target(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, muted: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(2**16):
                await self._hold_back()
                if not muted.is_set():
                    writer.write(data)
                    await writer.drain()

    async def _hold_back(self) -> None:
        await self._silence()
        if self._latency:
            await asyncio.sleep(self._latency * random.uniform(0.5, 1.5))

    async def _silence(self) -> None:
        """For ever, when bytes are swallowed: a stream with a hole is no stream."""
        if self._silent:
            await asyncio.Event().wait()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(STEP_TIMEOUT)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _end(self) -> None:
        await self._refuse()
        await asyncio.sleep(0)  # a task that is cancelled before its first step closes nothing
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # aborted transports close their sockets in the loop's next turn


def _abort(writer: asyncio.StreamWriter) -> None:
    own_end = writer.get_extra_info("socket")
    with suppress(OSError, AttributeError):
        own_end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


@contextmanager
def proxy_to(url: str) -> Iterator[Proxy]:
    """A proxy that is up, in front of a database; gone with its connections at the end."""
    address = make_url(url)
    proxy = Proxy((address.host or "127.0.0.1", address.port or 5432))
    thread = threading.Thread(target=proxy._run, daemon=True)
    thread.start()
    try:
        proxy.up()
        yield proxy
    finally:
        proxy._call(proxy._end())
        proxy._loop.call_soon_threadsafe(proxy._loop.stop)
        thread.join(STEP_TIMEOUT)
        proxy._loop.close()
