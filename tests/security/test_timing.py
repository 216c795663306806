"""How long a failed sign-in takes says nothing about the account."""

from itertools import pairwise

import pytest
from quart import Quart
from werkzeug.security import generate_password_hash

from service.security import timing
from service.security.passwords import PasswordHasher, Verdict
from service.security.timing import DECAY, LEAST, MARGIN, MOST, EvenTiming
from tests.people import PASSWORD, Browser, add_user

# Seconds of work on an ordinary core.
COSTS = {"unknown": 0.021, "argon2": 0.019, "scrypt": 0.072, "pbkdf2": 0.116, "locked": 0.02}


async def test_failures_take_equally_long(holds: list[float]) -> None:
    """Every scheme's failure is held to the same end."""
    even = EvenTiming()
    for cost in COSTS.values():
        await even.hold(cost)
    ends = [cost + held for cost, held in zip(COSTS.values(), holds, strict=True)]
    assert ends == pytest.approx([LEAST] * len(COSTS))


async def test_slow_machine(holds: list[float]) -> None:
    """Where the slowest scheme takes longer than the least, the others wait for it as well."""
    even = EvenTiming()
    await even.hold(0.4)
    for _ in range(5):
        await even.hold(0.05)
    ends = [0.4 + holds[0], *(0.05 + held for held in holds[1:])]
    assert ends[0] == pytest.approx(MARGIN * 0.4)
    assert all(later >= earlier * DECAY * 0.999 for earlier, later in pairwise(ends))
    assert min(ends) > 0.4, "nobody answers before the slowest would have"


async def test_a_hiccup_is_forgotten(holds: list[float]) -> None:
    even = EvenTiming()
    await even.hold(1.5)
    for _ in range(120):
        await even.hold(0.02)
    assert 0.02 + holds[-1] == pytest.approx(LEAST)


async def test_hold_is_bounded(holds: list[float]) -> None:
    """No machine is so slow that people wait for ever, or that the pause were negative."""
    even = EvenTiming()
    await even.hold(60)
    await even.hold(0)
    assert holds == [0, MOST]


def test_least_covers_the_slowest_scheme() -> None:
    """A million rounds of PBKDF2 take 0.194 s where that was measured."""
    assert LEAST > 0.194
    assert timing.MARGIN > 1


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
        return Verdict(verdict.right, verdict.outdated, cost)

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


async def test_login_success_is_not_held(
    accounts: dict[str, str], app: Quart, holds: list[float]
) -> None:
    for kind in ("argon2", "scrypt", "pbkdf2"):
        form = {"email": accounts[kind], "password": PASSWORD}
        assert (await Browser(app).post("/login", form)).status_code == 303
    assert holds == []
