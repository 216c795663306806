"""Password hashes: argon2id for new ones, Werkzeug's of the Flask application still verified.

Hashing takes a core and 19 MiB for some 20 ms, so it runs in a few threads that give way to the
event loop.
"""

import time
from dataclasses import dataclass, replace
from functools import cache, partial

from argon2 import PasswordHasher as Argon2
from argon2.exceptions import InvalidHashError, VerificationError

from service.config.cores import available_cores
from service.security.password_text import normalise
from service.threads import GentleThreads

# OWASP's password storage cheat sheet: argon2id with 19 MiB, two passes, one lane.
MEMORY_KIB = 19_456
PASSES = 2
LANES = 1

MAX_THREADS = 2  # of one process, so 38 MiB of its memory


@dataclass(frozen=True)
class Work:
    """Seconds that a verification took on the clock, and of the processor; without waiting."""

    seconds: float = 0.0
    processor: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """Whether a password is right, and whether its hash should be made anew."""

    right: bool
    outdated: bool = False
    work: Work = Work()


class PasswordHasher:
    """Hashes and verifies beside the event loop; raises OverloadedError when too many wait.

    `processes` is how many processes share the cores.
    """

    def __init__(self, processes: int = 1) -> None:
        self._argon2 = Argon2(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
        self.threads = GentleThreads(
            thread_count(available_cores(), processes),
            name="hashing",
            refusal="Too many people are signing in at this moment.",
        )

    async def hash(self, password: str) -> str:
        """The argon2id hash of a password's NFKC form, with a salt of its own."""
        return await self.threads.run(partial(self._argon2.hash, normalise(password)))

    async def verify(self, password: str, hashed: str | None) -> Verdict:
        """Whether the hash is the password's. None, for no account, takes the work and is wrong.

        A hash that is none, such as an operator's `!`, is wrong too.
        """
        return await self.threads.run(partial(self._timed_verify, password, hashed))

    def close(self) -> None:
        """Let the threads end."""
        self.threads.close()

    def _timed_verify(self, password: str, hashed: str | None) -> Verdict:
        started, worked = time.perf_counter(), time.thread_time()
        verdict = self._verify(password, hashed)
        work = Work(time.perf_counter() - started, time.thread_time() - worked)
        return replace(verdict, work=work)

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


def thread_count(cores: float, processes: int) -> int:
    """How many threads each process hashes in: its share of the cores, but one at least."""
    return max(1, min(MAX_THREADS, int(cores / processes)))


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
