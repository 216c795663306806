"""People who use the service through Render's proxy while releases change beneath them."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlencode

from tests.deploy.load import Client
from tests.deploy.render import HOST, PROXY

FORM = ["Content-Type: application/x-www-form-urlencoded", f"Origin: https://{HOST}"]
PASSWORD = "a calm river in winter"
PAUSE = 0.02  # seconds; below the limit on what one person may write in a minute
READS = 5  # lists that are looked at for each book that is added

Live = Callable[[], str]


class Reader(Client):
    """Somebody with an account, whose requests go to the instance that `live` names.

    One who `stays` leaves an instance only when that closes the connection, as a proxy does that
    empties an old one; others change over with their next request.
    """

    def __init__(self, email: str, live: Live, *, stays: bool) -> None:
        super().__init__()
        self.email = email
        self.live = live
        self.stays = stays
        self.cookie = ""
        self.added: list[str] = []
        self.seen = Counter[str]()

    async def register(self) -> None:
        """Make the account, and keep the cookie that only travels encrypted."""
        fields = {"email": self.email, "password": PASSWORD, "confirm": PASSWORD}
        status, headers, _ = await self._ask("POST", "/register", fields)
        assert status == 303
        found = re.search(r"(?i)\nset-cookie: (__Host-session=[^;]+);[^\r]* Secure", headers)
        assert found is not None
        self.cookie = found[1]

    async def read_and_write(self, stop: asyncio.Event) -> None:
        """Look at the list and add to it until told to stop; every answer is counted."""
        while not stop.is_set():
            for _ in range(READS):
                await self._count("GET", "/books/", 200)
                await asyncio.sleep(PAUSE)
            title = f"{self.email} {len(self.added)}"
            fields = {"book_title": title, "book_author": "Jane Austen", "book_rating": "5"}
            if await self._count("POST", "/books/add", 303, fields):
                self.added.append(title)

    async def _count(
        self, method: str, path: str, expected: int, fields: dict[str, str] | None = None
    ) -> bool:
        try:
            status, _, _ = await self._ask(method, path, fields)
        except (OSError, EOFError, TimeoutError) as error:
            self.seen[f"{method} {path}: {type(error).__name__}"] += 1
            return False
        self.seen["well" if status == expected else f"{method} {path}: {status}"] += 1
        return status == expected

    async def _ask(
        self, method: str, path: str, fields: dict[str, str] | None = None
    ) -> tuple[int, str, bytes]:
        head = [f"{method} {path} HTTP/1.1", *PROXY, f"Cookie: {self.cookie}"]
        body = urlencode(fields or {}).encode()
        url = (self.stays and self.where) or self.live()
        return await self.ask(url, [*head, *FORM] if fields else head, body)
