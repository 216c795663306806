"""A client that sends any bytes, well formed or not, and reads answers as they come."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode, urlsplit

TIMEOUT = 20.0  # seconds for any one step
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Answer:
    """Header names are in lower case; the values of several of one name are joined as lines."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def cookies(self) -> str:
        """The cookies that this answer sets, as a browser sends them back."""
        lines = self.headers.get("set-cookie", "").splitlines()
        return "; ".join(line.partition(";")[0] for line in lines)


class Connection:
    """One TCP connection; nothing is sent but what a test gives."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str, *, buffer: int = 2**18) -> AsyncIterator[Self]:
        """Open one, and close it at the end of the block.

        `buffer` is in bytes: about as much arrives before the test wants to read it.
        """
        address = urlsplit(url)
        own_end = socket.socket()
        own_end.setblocking(False)
        own_end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        try:
            async with asyncio.timeout(TIMEOUT):
                loop = asyncio.get_running_loop()
                await loop.sock_connect(own_end, (address.hostname, address.port))
                streams = await asyncio.open_connection(sock=own_end, limit=buffer)
        except BaseException:
            own_end.close()
            raise
        connection = cls(*streams)
        try:
            yield connection
        finally:
            connection._writer.close()
            with suppress(ConnectionError):
                await connection._writer.wait_closed()

    async def send(self, data: bytes) -> None:
        """Send, as far as the other side takes it: it may hang up in the middle."""
        with suppress(ConnectionError):
            self._writer.write(data)
            async with asyncio.timeout(TIMEOUT):
                await self._writer.drain()

    async def answer(self, method: str = "GET") -> Answer | None:
        """The next answer, to a request of this method; None when the connection ends instead."""
        try:
            async with asyncio.timeout(TIMEOUT):
                head = await self._reader.readuntil(b"\r\n\r\n")
                start, *lines = head.decode("latin-1").split("\r\n")[:-2]
                headers: dict[str, str] = {}
                for line in lines:
                    name, value = line.lower().partition(":")[0], line.partition(":")[2].strip()
                    headers[name] = f"{headers[name]}\n{value}" if name in headers else value
                status = int(start.split()[1])
                return Answer(status, headers, await self._body(method, status, headers))
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise
            return None
        except ConnectionError:
            return None

    async def first(self, seconds: float) -> bytes:
        """What comes within so many seconds, as soon as anything does."""
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._reader.read(2**16)
        return b""

    async def rest(self) -> bytes:
        """What still comes until the other side hangs up, which it must do."""
        data = bytearray()
        with suppress(ConnectionError):
            async with asyncio.timeout(TIMEOUT):
                while part := await self._reader.read(2**16):
                    data += part
        return bytes(data)

    def abort(self) -> None:
        """Hang up at once, without a farewell."""
        self._writer.transport.abort()

    async def _body(self, method: str, status: int, headers: Mapping[str, str]) -> bytes:
        if method == "HEAD" or status < 200 or status in (204, 304):
            return b""
        return await self._reader.readexactly(int(headers["content-length"]))


async def ask(
    url: str, method: str = "GET", path: str = "/livez", *headers: str, body: bytes = b""
) -> Answer:
    """One well-formed request on a connection of its own, and its answer."""
    async with Connection.to(url) as connection:
        await connection.send(request(url, method, path, *headers, "Connection: close", body=body))
        answer = await connection.answer(method)
    assert answer is not None, f"no answer to {method} {path}"
    return answer


async def post(url: str, path: str, fields: Mapping[str, str], cookie: str = "") -> Answer:
    """Send a form as a browser does that has this cookie."""
    return await ask(url, "POST", path, *form_headers(url, cookie), body=form(fields))


def request(url: str, method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    """The bytes of a request; its length is told where it has a body."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def form(fields: Mapping[str, str]) -> bytes:
    return urlencode(fields).encode()


def form_headers(url: str, cookie: str = "") -> list[str]:
    """What a browser sends with a form from the site's own pages."""
    return [f"Origin: {url}", f"Content-Type: {FORM}", *([f"Cookie: {cookie}"] if cookie else [])]
