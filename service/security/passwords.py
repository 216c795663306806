"""Password hashes: new ones are argon2id; the Flask application's, by Werkzeug, are verified too.

Hashing takes a core and 19 MiB for about 20 ms, so it runs in a few threads with a lower priority
than the event loop (decision 14).
"""

import time
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from service.config.cores import available_cores
from service.security.password_text import normalise
from service.threads import GentleThreads

if TYPE_CHECKING:
    from argon2 import PasswordHasher as Argon2

# OWASP's password storage cheat sheet: argon2id with 19 MiB, two passes, one lane.
MEMORY_KIB = 19_456
PASSES = 2
LANES = 1

MAX_THREADS = 2  # in one process; they take 38 MiB


class Work(Struct, frozen=True):
    """The time of a verification in seconds, by the clock and of the processor, without waiting."""

    seconds: float = 0.0
    processor: float = 0.0


class Verdict(Struct, frozen=True):
    """The result of a verification. If `outdated`, the hash should be replaced by a new one."""

    right: bool
    outdated: bool = False
    work: Work = Work()


class PasswordHasher:
    """Hashes and verifies passwords in threads. Raises OverloadedError when too many wait.

    `processes` is the number of processes that share the cores.
    """

    def __init__(self, processes: int = 1) -> None:
        self.threads = GentleThreads(
            thread_count(available_cores(), processes),
            name="hashing",
            refusal="Too many people are signing in at this moment.",
        )

    @cached_property
    def _argon2(self) -> "Argon2":
        from argon2 import PasswordHasher as Argon2  # a start needs no password

        return Argon2(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)

    async def hash(self, password: str) -> str:
        """Return the argon2id hash of a password's NFKC form, with a new salt."""
        return await self.threads.run(partial(self._argon2.hash, normalise(password)))

    async def verify(self, password: str, hashed: str | None) -> Verdict:
        """Verify a password. None stands for no account: the same work, and a wrong password.

        A hash in an unknown format, such as an operator's `!`, is treated in the same way.
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
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            return self._argon2.verify(hashed, normalise(password))
        except (VerificationError, InvalidHashError):
            return False


def thread_count(cores: float, processes: int) -> int:
    """Return the number of hashing threads of a process: its share of the cores, at least one."""
    return max(1, min(MAX_THREADS, int(cores / processes)))


def _verify_legacy(password: str, hashed: str) -> bool:
    """Verify a hash of Werkzeug's. It was made from the typed text, so that is tried first."""
    from werkzeug.security import check_password_hash

    try:
        return any(
            check_password_hash(hashed, form)
            for form in dict.fromkeys((password, normalise(password)))
        )
    except (ValueError, TypeError, OverflowError, MemoryError):
        return False  # not a hash that Werkzeug could have written


@cache
def _nobodys_hash(argon2: "Argon2") -> str:
    return argon2.hash("nobody has this password")
