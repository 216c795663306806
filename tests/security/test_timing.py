"""How long a failed sign-in takes says nothing about the account."""

import time
from collections.abc import Callable
from threading import Thread
from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from quart import Quart
from werkzeug.security import generate_password_hash

from service.security.passwords import PasswordHasher, Verdict, Work
from service.security.timing import DECAY, HALF_LIFE, LEAST, MARGIN, MOST, SHORT, EvenTiming
from tests.people import PASSWORD, Browser, add_user

WAITED = 0.3  # seconds of another thread's work
# Seconds of work on an ordinary core.
COSTS = {"unknown": 0.021, "argon2": 0.019, "scrypt": 0.072, "pbkdf2": 0.194, "locked": 0.02}


@pytest.fixture
def memory_clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock that the memory goes by; it stands still until `now` is changed."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(
        "service.security.timing.time", SimpleNamespace(monotonic=lambda: clock.now)
    )
    return clock


async def end(even: EvenTiming, holds: list[float], cost: float, stretch: float = 1.0) -> float:
    """When a failure is answered that takes so much work, stretched by what others do."""
    work = Work(cost * stretch, cost)
    even.note(work)
    await even.hold(work)
    return work.seconds + holds[-1]


@pytest.mark.parametrize("stretch", [1.0, 1.3, 4.0, 8.0])
@pytest.mark.usefixtures("memory_clock")
async def test_failures_take_equally_long(holds: list[float], stretch: float) -> None:
    """Every scheme's failure is held to the same end, on a quiet machine and on a busy one."""
    for first in COSTS:  # whichever is tried first
        even = EvenTiming()
        ends = [await end(even, holds, cost, stretch) for cost in [COSTS[first], *COSTS.values()]]
        assert ends == pytest.approx([LEAST * stretch] * len(ends))


async def test_others_hash(holds: list[float], memory_clock: SimpleNamespace) -> None:
    """What successful sign-ins learn of a busy machine counts for failures, too, and passes."""
    even = EvenTiming()
    even.note(Work(0.019 * 5, 0.019))
    assert await end(even, holds, COSTS["argon2"]) == pytest.approx(5 * LEAST)
    memory_clock.now += HALF_LIFE
    assert await end(even, holds, COSTS["argon2"]) == pytest.approx(3 * LEAST)
    memory_clock.now += 20 * HALF_LIFE
    assert await end(even, holds, COSTS["argon2"]) == pytest.approx(LEAST, rel=0.01)


@pytest.mark.usefixtures("memory_clock")
async def test_short_work_tells_nothing(holds: list[float]) -> None:
    """A hash that is checked in no time, but after a pause, holds nobody up."""
    even = EvenTiming()
    assert await end(even, holds, SHORT / 10, stretch=20) == pytest.approx(LEAST)


@pytest.mark.usefixtures("memory_clock")
async def test_slow_machine(holds: list[float]) -> None:
    """Where the slowest scheme takes longer than the least, the others wait for it as well."""
    even = EvenTiming()
    ends = [await end(even, holds, cost) for cost in [0.4, *[0.05] * 5]]
    assert ends == pytest.approx([MARGIN * 0.4 * DECAY**age for age in range(6)])
    assert min(ends) > 0.4, "nobody answers before the slowest would have"


@pytest.mark.usefixtures("memory_clock")
async def test_a_hiccup_is_forgotten(holds: list[float]) -> None:
    even = EvenTiming()
    await end(even, holds, 1.5)
    ends = [await end(even, holds, 0.02) for _ in range(120)]
    assert ends[-1] == pytest.approx(LEAST)


@pytest.mark.usefixtures("memory_clock")
async def test_hold_is_bounded(holds: list[float]) -> None:
    """No machine is so slow that people wait for ever, or that the pause were negative."""
    even = EvenTiming()
    await end(even, holds, 60, stretch=3)
    await end(even, holds, 0)
    assert holds == [0, MOST]


@pytest.fixture
async def accounts(app: Quart, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An account of each kind by its address, each of which costs what COSTS says to verify."""
    hashes = {
        "scrypt": generate_password_hash(PASSWORD, "scrypt"),
        "pbkdf2": generate_password_hash(PASSWORD, "pbkdf2:sha256:1000"),
        "locked": "!",
    }
    for kind, hashed in hashes.items():
        await add_user(app, f"{kind}@example.com", hashed)
    await add_user(app, "argon2@example.com")
    monkeypatch.setattr("service.users.accounts._failures", EvenTiming())

    def timed(self: PasswordHasher, password: str, hashed: str | None) -> Verdict:
        kind = next((kind for kind in hashes if hashed == hashes[kind]), None)
        cost = COSTS[kind or ("unknown" if hashed is None else "argon2")]
        verdict = self._verify(password, hashed)
        return Verdict(verdict.right, verdict.outdated, Work(cost, cost))

    monkeypatch.setattr(PasswordHasher, "_timed_verify", timed)
    return {kind: f"{kind}@example.com" for kind in COSTS}


async def test_login_failures_are_alike(
    accounts: dict[str, str], app: Quart, holds: list[float]
) -> None:
    """Unknown, locked, of today or of the Flask application: the same time and the same answer."""
    answers, ends = [], []
    for kind, email in accounts.items():
        headers = {"X-Request-ID": "the-same-request"}
        form = {"email": email, "password": "wrong horse battery"}
        response = await Browser(app).post("/login", form, headers)
        page = (await response.get_data(as_text=True)).replace(email, "EMAIL")
        fields = [item for item in response.headers if item[0].lower() != "content-length"]
        answers.append((response.status_code, fields, page))
        ends.append(COSTS[kind] + holds[-1])
    assert answers[0][0] == 401
    assert all(answer == answers[0] for answer in answers)
    assert ends == pytest.approx([LEAST] * len(COSTS))
    assert len(holds) == len(COSTS), "each is held exactly once"


@pytest.mark.usefixtures("memory_clock")
async def test_login_success_tells_how_busy_it_is(
    accounts: dict[str, str], app: Quart, holds: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a good sign-in met is known when the next one fails: that one waits longer, too."""
    timed = PasswordHasher._timed_verify

    def stretched(self: PasswordHasher, password: str, hashed: str | None) -> Verdict:
        verdict = timed(self, password, hashed)
        return replace(verdict, work=Work(4 * verdict.work.processor, verdict.work.processor))

    monkeypatch.setattr(PasswordHasher, "_timed_verify", stretched)
    right = {"email": accounts["argon2"], "password": PASSWORD}
    assert (await Browser(app).post("/login", right)).status_code == 303
    monkeypatch.setattr(PasswordHasher, "_timed_verify", timed)
    wrong = {"email": accounts["unknown"], "password": "wrong horse battery"}
    assert (await Browser(app).post("/login", wrong)).status_code == 401
    assert COSTS["unknown"] + holds[-1] == pytest.approx(4 * LEAST)


async def test_work_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock goes on while the thread waits; the processor time is the thread's alone."""
    monkeypatch.setattr(PasswordHasher, "_verify", waits_and_works)
    hasher = PasswordHasher()
    verdict = await hasher.verify(PASSWORD, None)
    hasher.close()
    assert verdict.work.seconds > verdict.work.processor
    assert SHORT < verdict.work.processor < WAITED


def waits_and_works(*_: object) -> Verdict:
    """Waits for another thread that works, then works a little itself."""
    end = time.process_time() + WAITED
    other = Thread(target=work_until, args=(time.process_time, end))
    other.start()
    other.join()
    work_until(time.thread_time, time.thread_time() + 2 * SHORT)
    return Verdict(right=False)


def work_until(clock: Callable[[], float], end: float) -> None:
    while clock() < end:
        pass


async def test_login_success_is_not_held(
    accounts: dict[str, str], app: Quart, holds: list[float]
) -> None:
    for kind in ("argon2", "scrypt", "pbkdf2"):
        form = {"email": accounts[kind], "password": PASSWORD}
        assert (await Browser(app).post("/login", form)).status_code == 303
    assert holds == []


def test_costs_are_those_of_werkzeug() -> None:
    """What was measured is what is verified: with other parameters of Werkzeug's, measure again."""
    schemes = [
        generate_password_hash(PASSWORD, kind).split("$")[0] for kind in ("scrypt", "pbkdf2")
    ]
    assert schemes == ["scrypt:32768:8:1", "pbkdf2:sha256:1000000"]
