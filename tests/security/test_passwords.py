"""Password hashes: those of the Flask application, their renewal, and the threads for them."""

import asyncio
import threading
import time
import unicodedata
from collections.abc import Iterator

import pytest
from quart import Quart
from werkzeug.security import generate_password_hash

from service.app import create_app
from service.config import Settings
from service.exceptions import OverloadedError
from service.models import rate_limits_table, sessions_table, users_table
from service.security.passwords import MAX_THREADS, PasswordHasher, Verdict, thread_count
from service.threads import MAX_WAITING, GentleThreads
from tests.people import PASSWORD, Browser, Person, add_user, count, rows, text_of

EMAIL = "carol@example.com"
RIGHT = {"email": EMAIL, "password": PASSWORD}
WRONG = {"email": EMAIL, "password": "wrong horse battery"}
LEGACY = ["scrypt", "pbkdf2:sha256:150000", "pbkdf2:sha256:260000"]
LEGACY += ["pbkdf2:sha256:600000", "pbkdf2:sha256:1000000"]
NO_HASHES = [
    "",
    "!",
    "*",
    PASSWORD,
    "$argon2id$",
    "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA",
    "$argon2id$v=19$m=99999999999,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
    "$2b$12$abcdefghijklmnopqrstuv",
    "plain$salt$hash",
    "scrypt:",
    "scrypt:32768:8:1$salt",
    "scrypt:32768:8$salt$hash",
    "scrypt:3:8:1$salt$hash",
    "scrypt:-1:8:1$salt$hash",
    "scrypt:99999999999999999999:8:1$salt$hash",
    "scrypt:1073741824:8:1$salt$hash",
    "pbkdf2:",
    "pbkdf2:sha256:0$salt$hash",
    "pbkdf2:sha256:many$salt$hash",
    "pbkdf2:sha256:99999999999999999999$salt$hash",
    "pbkdf2:nosuchhash:1$salt$hash",
    "scrypt:32768:8:1$sält$häsh",
]


@pytest.fixture
def hasher() -> Iterator[PasswordHasher]:
    hasher = PasswordHasher()
    yield hasher
    hasher.close()


async def stored_hash(app: Quart) -> str:
    [(_, hashed)] = await rows(app, users_table.c.id, users_table.c.password_hashed)
    return str(hashed)


@pytest.mark.parametrize("method", LEGACY)
async def test_legacy_hash(app: Quart, nobody: Browser, method: str) -> None:
    """A wrong password leaves the old hash alone; the first right one makes it argon2id."""
    legacy = generate_password_hash(PASSWORD, method)
    assert legacy.startswith(method)
    await add_user(app, EMAIL, legacy)
    assert (await nobody.post("/login", WRONG)).status_code == 401
    assert await stored_hash(app) == legacy
    assert (await nobody.post("/login", RIGHT)).status_code == 303
    renewed = await stored_hash(app)
    assert renewed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await Browser(app).post("/login", RIGHT)).status_code == 303
    assert await stored_hash(app) == renewed


async def test_legacy_hash_two_at_once(app: Quart, nobody: Browser) -> None:
    """Two first sign-ins at the same moment both succeed."""
    await add_user(app, EMAIL, generate_password_hash(PASSWORD))
    browsers = [nobody, Browser(app)]
    responses = await asyncio.gather(*(browser.post("/login", RIGHT) for browser in browsers))
    assert [response.status_code for response in responses] == [303, 303]
    assert (await Browser(app).post("/login", RIGHT)).status_code == 303


async def test_legacy_hash_keeps_other_sessions(app: Quart, alice: Person) -> None:
    """A new hash of the same password signs nobody out elsewhere."""
    carol = await add_user(app, EMAIL, generate_password_hash(PASSWORD, "pbkdf2:sha256:1000"))
    desk, phone = Browser(app), Browser(app)
    await desk.post("/login", RIGHT)
    await phone.post("/login", RIGHT)
    assert (await desk.get("/profile")).status_code == 200
    assert [
        user for _, user in await rows(app, sessions_table.c.id, sessions_table.c.user_id)
    ].count(carol) == 2


async def test_weak_argon2_is_renewed(app: Quart, nobody: Browser) -> None:
    """When the cost is raised, hashes follow as people sign in."""
    from argon2 import PasswordHasher as Argon2

    await add_user(app, EMAIL, Argon2(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD))
    assert (await nobody.post("/login", WRONG)).status_code == 401
    assert "$m=8192,t=1,p=1$" in await stored_hash(app)
    assert (await nobody.post("/login", RIGHT)).status_code == 303
    assert "$m=19456,t=2,p=1$" in await stored_hash(app)


@pytest.mark.parametrize("made_of", ["NFC", "NFD"])
@pytest.mark.parametrize("method", ["pbkdf2:sha256:1000", "argon2"])
async def test_composed_or_not(hasher: PasswordHasher, method: str, made_of: str) -> None:
    """Hashes made here verify both forms; old ones verify the form that they were made of."""
    composed = unicodedata.normalize("NFC", "crème brûlée")
    decomposed = unicodedata.normalize("NFD", composed)
    source = composed if made_of == "NFC" else decomposed
    hashed = (
        await hasher.hash(source) if method == "argon2" else generate_password_hash(source, method)
    )
    assert (await hasher.verify(source, hashed)).right
    if method == "argon2" or made_of == "NFC":
        assert (await hasher.verify(composed, hashed)).right
        assert (await hasher.verify(decomposed, hashed)).right
    assert not (await hasher.verify("creme brulee", hashed)).right


@pytest.mark.parametrize("hashed", NO_HASHES)
async def test_no_hash(hasher: PasswordHasher, hashed: str) -> None:
    """What is no hash, an operator's `!` for instance, is nobody's password."""
    for password in (PASSWORD, hashed or "x", "hash"):
        assert not (await hasher.verify(password, hashed)).right


@pytest.mark.parametrize("hashed", ["", "!", "pbkdf2:sha256:99999999999999999999$s$h"])
async def test_no_hash_signs_in_nobody(app: Quart, nobody: Browser, hashed: str) -> None:
    await add_user(app, EMAIL, hashed)
    response = await nobody.post("/login", RIGHT)
    assert response.status_code == 401
    assert "Incorrect login credentials." in await text_of(response)


@pytest.mark.parametrize("hashed", [None, "!", "", "$2b$12$abcdefghijklmnopqrstuv"])
async def test_no_account_takes_the_work(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch, hashed: str | None
) -> None:
    """One argon2 verification, as for an account: no more, no less."""
    asked: list[tuple[str, str]] = []

    def matches(self: PasswordHasher, password: str, hashed: str) -> bool:
        asked.append((password, hashed))
        return True

    monkeypatch.setattr(PasswordHasher, "_matches", matches)
    assert not (await hasher.verify(PASSWORD, hashed)).right
    assert [password for password, _ in asked] == [PASSWORD]
    assert asked[0][1].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


class Gate:
    """Holds the hashing threads until it is opened, and counts who got there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened = threading.Event()
        self.threads: set[int] = set()
        gate = self

        def verify(self: PasswordHasher, password: str, hashed: str | None) -> Verdict:
            gate.threads.add(threading.get_ident())
            gate.opened.wait(30)
            return Verdict(right=False)

        monkeypatch.setattr(PasswordHasher, "_verify", verify)


@pytest.mark.parametrize(
    ("cores", "processes", "threads"),
    [(0.1, 1, 1), (0.5, 2, 1), (1, 1, 1), (2, 1, 2), (2, 2, 1), (3, 2, 1), (4, 2, 2), (64, 1, 2)],
)
def test_thread_count(cores: float, processes: int, threads: int) -> None:
    """Each process has its share of the cores, one thread at least, and memory for two."""
    assert thread_count(cores, processes) == threads


async def test_threads_follow_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine gives decides, not how many cores it has."""
    monkeypatch.setattr("service.security.passwords.available_cores", lambda: 0.1)
    assert PasswordHasher().threads.count == 1
    monkeypatch.setattr("service.security.passwords.available_cores", lambda: 8.0)
    assert PasswordHasher().threads.count == 2
    assert PasswordHasher(processes=8).threads.count == 1


@pytest.mark.parametrize(("workers", "threads"), [("1", 2), ("2", 1)])
def test_workers_share_the_cores(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, workers: str, threads: int
) -> None:
    """As many workers as cores have a thread each, not each as many as there are cores."""
    monkeypatch.setattr("service.security.passwords.available_cores", lambda: 2.0)
    app = create_app(Settings.from_env(environment | {"WEB_CONCURRENCY": workers}))
    assert app.extensions["password_hasher"].threads.count == threads


async def test_queue_is_bounded(hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes when too many wait is told to try later, at once; the others get answers."""
    gate = Gate(monkeypatch)
    threads = hasher.threads.count
    waiting = [
        asyncio.create_task(hasher.verify(PASSWORD, None)) for _ in range(threads + MAX_WAITING)
    ]
    await asyncio.sleep(0)
    try:
        for one_more in (hasher.verify(PASSWORD, None), hasher.hash(PASSWORD)):
            with pytest.raises(OverloadedError) as caught:
                await asyncio.wait_for(one_more, 5)
            assert caught.value.retry_after >= 1
    finally:
        gate.opened.set()
    assert not any(verdict.right for verdict in await asyncio.gather(*waiting))
    assert len(gate.threads) <= threads
    assert not (await hasher.verify(PASSWORD, None)).right


@pytest.mark.parametrize("path", ["/login", "/register"])
async def test_queue_full_page(
    app: Quart, nobody: Browser, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """503 that says when to try again, and the attempt to sign in is not held against anybody."""
    monkeypatch.setattr("service.threads.MAX_WAITING", -MAX_THREADS)
    response = await nobody.post(path, RIGHT | {"confirm": PASSWORD})
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    assert await count(app, users_table) == 0
    if path == "/login":
        counted = await rows(app, rate_limits_table.c.key, rate_limits_table.c.empty_at)
        assert all(empty_at <= time.time() for _, empty_at in counted)


async def test_hashing_does_not_hold_up_others(
    app: Quart, nobody: Browser, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While every thread works on somebody's password, pages come as ever."""
    gate = Gate(monkeypatch)
    threads = app.extensions["password_hasher"].threads.count
    signing_in = [asyncio.create_task(Browser(app).post("/login", RIGHT)) for _ in range(threads)]
    while len(gate.threads) < threads:
        assert (await nobody.get("/livez")).status_code == 200
    assert (await alice.get("/books/")).status_code == 200
    assert not any(task.done() for task in signing_in)
    assert threading.get_ident() not in gate.threads
    gate.opened.set()
    assert {(await task).status_code for task in signing_in} == {401}


@pytest.mark.parametrize("size", [129, 20_000, 1_000_000])
async def test_long_password_is_not_hashed(
    app: Quart, nobody: Browser, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """What is too long to be a password costs neither processor nor memory."""
    called = []
    monkeypatch.setattr(GentleThreads, "run", lambda *args: called.append(args))
    await add_user(app, EMAIL)
    for path in ("/login", "/register"):
        form = {"email": EMAIL, "password": "p" * size, "confirm": "p" * size}
        response = await nobody.post(path, form)
        assert response.status_code == (413 if size > 64 * 1024 else 422)
    assert called == []
