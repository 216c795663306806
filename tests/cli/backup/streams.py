"""Streams in memory at which something happens."""

import asyncio
import io
import threading
from collections.abc import Awaitable, Callable


class Watched(io.BytesIO):
    """Calls a coroutine function, beside the loop that writes, when `at` lines were written."""

    def __init__(
        self, at: int = -1, then: Callable[[], Awaitable[None]] | None = None, *, of: bytes = b""
    ) -> None:
        super().__init__(of)
        self.lines = 0
        self.done = False
        self._at = at
        self._then = then

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.lines += 1
        if self.lines == self._at and self._then is not None:
            _run_beside(self._then)
            self.done = True
        return super().write(data)


def _run_beside(function: Callable[[], Awaitable[None]]) -> None:
    """In a loop of another thread; what it raises is raised here."""
    errors: list[BaseException] = []

    async def call() -> None:
        await function()

    def run() -> None:
        try:
            asyncio.run(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    if errors:
        raise errors[0]
