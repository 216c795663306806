"""Password hashes: argon2id for new ones, Werkzeug's of the Flask application still verified.

Hashing takes a core and 19 MiB for some 20 ms, so it runs in a few threads beside the event loop,
and only so many may wait for them.
"""

import asyncio
import os
import time
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

from argon2 import PasswordHasher as Argon2
from argon2.exceptions import InvalidHashError, VerificationError

from service.exceptions import OverloadedError

# OWASP's password storage cheat sheet: argon2id with 19 MiB, two passes, one lane.
MEMORY_KIB = 19_456
PASSES = 2
LANES = 1

THREADS = max(1, min(2, os.cpu_count() or 1))
MAX_WAITING = 40  # under a second's work for two threads of an ordinary core

T = TypeVar("T")


@dataclass(frozen=True)
class Verdict:
    """Whether a password is right, and whether its hash should be made anew."""

    right: bool
    outdated: bool = False
    seconds: float = 0.0  # what finding out took, without the waiting


class PasswordHasher:
    """Hashes and verifies beside the event loop; raises OverloadedError when too many wait."""

    def __init__(self) -> None:
        self._argon2 = Argon2(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="hashing")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The argon2id hash of a password's NFKC form, with a salt of its own."""
        return await self._run(lambda: self._argon2.hash(normalise(password)))

    async def verify(self, password: str, hashed: str | None) -> Verdict:
        """Whether the hash is the password's. None, for no account, takes the work and is wrong.

        A hash that is none, such as an operator's `!`, is wrong too.
        """
        return await self._run(lambda: self._timed_verify(password, hashed))

    @property
    def running(self) -> int:
        """How many passwords have a thread."""
        return min(self._waiting, THREADS)

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return self._waiting - self.running

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= THREADS + MAX_WAITING:
            raise OverloadedError("Too many people are signing in at this moment.", retry_after=2)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1

    def _timed_verify(self, password: str, hashed: str | None) -> Verdict:
        started = time.perf_counter()
        verdict = self._verify(password, hashed)
        return replace(verdict, seconds=time.perf_counter() - started)

    def _verify(self, password: str, hashed: str | None) -> Verdict:
        if hashed is not None and hashed.startswith(("scrypt:", "pbkdf2:")):
            return Verdict(_verify_legacy(password, hashed), outdated=True)
        if hashed is None or not hashed.startswith("$argon2"):
            self._matches(password, _nobodys_hash(self._argon2))
            return Verdict(right=False)
        right = self._matches(password, hashed)
        return Verdict(right, outdated=right and self._argon2.check_needs_rehash(hashed))

    def _matches(self, password: str, hashed: str) -> bool:
        try:
            return self._argon2.verify(hashed, normalise(password))
        except (VerificationError, InvalidHashError):
            return False


def normalise(password: str) -> str:
    """The form that is hashed: the same however the keyboard composes its accents."""
    return unicodedata.normalize("NFKC", password)


def _verify_legacy(password: str, hashed: str) -> bool:
    """Werkzeug's hashes were made of the text as it was typed, so that is tried first."""
    from werkzeug.security import check_password_hash

    try:
        return any(
            check_password_hash(hashed, form)
            for form in dict.fromkeys((password, normalise(password)))
        )
    except (ValueError, TypeError, OverflowError, MemoryError):
        return False  # not a hash that Werkzeug could have written


@cache
def _nobodys_hash(argon2: Argon2) -> str:
    return argon2.hash("nobody has this password")
