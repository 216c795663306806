"""Clients that ask again and again, and know what became of each request."""

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

TIMEOUT = 20.0  # seconds for any one step


class Client:
    """One client that keeps its connection as long as the server does.

    It does what a load balancer must: what was sent to a connection that then broke is lost, and
    not sent again.
    """

    def __init__(self) -> None:
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._url = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def ask(self, url: str, head: Sequence[str], body: bytes = b"") -> tuple[int, str, bytes]:
        """Status, headers and body of the answer; OSError or EOFError where there is none.

        `head` is the request's first lines, Host among them.
        """
        reader, writer = await self._connected(url)
        lines = [*head, f"Content-Length: {len(body)}"] if body else head
        try:
            async with asyncio.timeout(TIMEOUT):
                writer.write("\r\n".join([*lines, "", ""]).encode() + body)
                headers = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = re.search(r"(?i)\ncontent-length: (\d+)", headers)
                answer = await reader.readexactly(int(length[1]) if length else 0)
        except (OSError, EOFError):
            await self.close()
            raise
        if re.search(r"(?i)\nconnection: close", headers):
            await self.close()
        return int(headers.split()[1]), headers, answer

    async def close(self) -> None:
        """Hang up; the next request goes to a connection of its own."""
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    @property
    def where(self) -> str:
        """Whom it is connected to, or nothing."""
        return self._url if self._streams else ""

    async def _connected(self, url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.where != url:
            await self.close()
        if self._streams is None:
            address = urlsplit(url)
            async with asyncio.timeout(TIMEOUT):
                self._streams = await asyncio.open_connection(address.hostname, address.port)
            self._url = url
        return self._streams


async def until_refused(url: str, seen: Counter[str], *headers: str) -> None:
    """Count what becomes of one client's requests, until nobody listens any more.

    "lost" are those on a connection on which others were answered before.
    """
    async with Client() as client:
        while True:
            kept = bool(client.where)
            try:
                await client.ask(url, ["GET / HTTP/1.1", "Host: x", *headers])
            except ConnectionRefusedError:
                return
            except (OSError, EOFError):
                seen["lost" if kept else "not let in"] += 1
            else:
                seen["answered"] += 1
