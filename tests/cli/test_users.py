"""users, revoke-sessions and delete-user, on accounts that have rows in every table."""

import asyncio
import json
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from quart import Quart
from sqlalchemy import insert, update

from service import db
from service.auth.queries import add_session
from service.cli import accounts, terminal
from service.cli.accounts import NoAccountError
from service.cli.maintenance import connect_at_head
from service.config import Settings
from service.db.sqlite import EngineConnection
from service.models import (
    DatabaseNow,
    access_tokens_table,
    books_table,
    idempotency_keys_table,
    legacy_books_table,
    sessions_table,
    users_table,
)
from service.users.queries import add_token, get_hash_to_change
from tests.cli.conftest import Run, on
from tests.people import PASSWORD_HASH, add_books, add_user, count, rows
from tests.statements import run as run_statement

ROOT = Path(__file__).resolve().parents[2]
REGISTERED = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)
UNKNOWN = "Error: There is no account with this e-mail address.\n"
STRANGE = "x\u202ey\x1b[2J\x7f\U000e0001@example.com"
OWNERS = (
    books_table.c.user_id,
    sessions_table.c.user_id,
    access_tokens_table.c.user_id,
    idempotency_keys_table.c.user_id,
    legacy_books_table.c.user_id,
    users_table.c.id,
)


@pytest.fixture
def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The input of `run` counts as a terminal."""
    monkeypatch.setattr(terminal, "has_terminal", lambda: True)


@pytest.fixture
def two_people(settings: Settings) -> None:
    """Alice (1) has 3 books, 100 sessions and 2 tokens; Bob (2) has 1 of each.

    Both have an expired session, an expired token, a kept answer and a row of `legacy_books`.
    """
    on(settings, _add_two_people)


async def _add_two_people(app: Quart) -> None:
    for email, books, sessions, tokens in (
        ("alice@example.com", 3, 100, 2),
        ("bob@example.com", 1, 1, 1),
    ):
        owner = await add_user(app, email)
        await add_books(app, owner, books)
        await _add_sign_ins(app, owner, sessions, tokens)
        key = bytes([owner]) * 32
        answer = {"created_at": DatabaseNow(), "status": 201, "headers": "{}", "body": b""}
        kept = insert(idempotency_keys_table).values(key=key, user_id=owner, request=key, **answer)
        await run_statement(app, kept)
        copied = insert(legacy_books_table).values(id=owner, user_id=owner, reason="rating")
        await run_statement(app, copied)
    await run_statement(app, update(users_table).values(registered_on=REGISTERED))


async def _add_sign_ins(app: Quart, owner: int, sessions: int, tokens: int) -> None:
    """Add so many sessions and tokens, and one of each that has expired."""
    async with app.app_context(), db.transaction() as connection:
        for number in range(sessions + 1):
            lifetime = timedelta(days=1 if number else -1)
            await add_session(connection, _hash(owner, number), owner, lifetime)
        for number in range(tokens + 1):
            await add_token(
                connection,
                owner,
                _hash(owner, number),
                name="Backup",
                scopes="books:read",
                lifetime=60 if number else -60,
            )


def _hash(owner: int, number: int) -> bytes:
    return b"%16d%16d" % (owner, number)


def owners(settings: Settings) -> list[list[int]]:
    """Whose rows each table of OWNERS has, sorted."""

    async def read(app: Quart) -> list[list[int]]:
        return [[owner for (owner,) in await rows(app, column)] for column in OWNERS]

    found: list[list[int]] = on(settings, read)
    return found


def test_nobody(run: Run) -> None:
    done = run("users")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "accounts: 0\nbooks: 0\nsessions: 0\ntokens: 0\n"
    nothing = {"accounts": 0, "books": 0, "sessions": 0, "tokens": 0, "newest": []}
    assert json.loads(run("users", "--json").stdout) == nothing


@pytest.mark.usefixtures("two_people")
def test_all(run: Run) -> None:
    """The numbers of all people together; what has expired is not counted."""
    done = run("users")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "accounts: 2",
        "books: 4",
        "sessions: 101",
        "tokens: 3",
        "newest: 2 2024-02-29T12:30:00Z bob@example.com",
        "newest: 1 2024-02-29T12:30:00Z alice@example.com",
    ]
    assert json.loads(run("users", "--json").stdout) == {
        "accounts": 2,
        "books": 4,
        "sessions": 101,
        "tokens": 3,
        "newest": [
            {"id": 2, "email": "bob@example.com", "registered_on": "2024-02-29T12:30:00Z"},
            {"id": 1, "email": "alice@example.com", "registered_on": "2024-02-29T12:30:00Z"},
        ],
    }


@pytest.mark.parametrize(("arguments", "listed"), [((), 50), (("--limit", "3"), 3)])
def test_newest(run: Run, settings: Settings, arguments: tuple[str, ...], listed: int) -> None:
    async def add_many(app: Quart) -> None:
        for number in range(60):
            await add_user(app, f"{number}@example.com")

    on(settings, add_many)
    found = json.loads(run("users", "--json", *arguments).stdout)
    assert found["accounts"] == 60
    assert [user["id"] for user in found["newest"]] == list(range(60, 60 - listed, -1))


@pytest.mark.usefixtures("two_people")
@pytest.mark.parametrize("typed", ["alice@example.com", "ALICE@Example.COM"])
def test_one(run: Run, typed: str) -> None:
    """Alice's numbers without Bob's, and nothing secret."""
    done = run("users", typed)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "id: 1",
        "email: alice@example.com",
        "registered_on: 2024-02-29T12:30:00Z",
        "books: 3",
        "sessions: 100",
        "tokens: 2",
    ]
    as_json = run("users", typed, "--json").stdout
    assert json.loads(as_json) == {
        "id": 1,
        "email": "alice@example.com",
        "registered_on": "2024-02-29T12:30:00Z",
        "books": 3,
        "sessions": 100,
        "tokens": 2,
    }
    assert as_json.count("\n") == 1
    assert PASSWORD_HASH not in done.stdout + as_json


def test_strange_address(run: Run, settings: Settings) -> None:
    """It can be found and helped as it is stored; the terminal shows it escaped."""
    on(settings, lambda app: add_user(app, STRANGE))
    for arguments in (("users",), ("users", STRANGE), ("revoke-sessions", STRANGE, "--yes")):
        done = run(*arguments)
        assert done.exit_code == 0
        assert "x\\u202ey\\x1b[2J\\x7f\\U000e0001@example.com" in done.stdout
        assert done.stdout.replace("\n", "").isprintable()
    as_json = run("users", STRANGE, "--json").stdout
    assert as_json.removesuffix("\n").isprintable()
    assert json.loads(as_json)["email"] == STRANGE
    assert run("delete-user", STRANGE, "--yes").exit_code == 0
    assert on(settings, lambda app: count(app, users_table)) == 0


@pytest.mark.usefixtures("two_people")
@pytest.mark.parametrize(
    "address",
    [
        "carol@example.com",
        "no address",
        "",
        "%",
        "a\0b@example.com",
        "\udcff@example.com",  # as Python decodes an argument that is not UTF-8
        "\u0430lice@example.com",  # begins with a Cyrillic letter
        "x" * 100_000,
    ],
)
def test_unknown(run: Run, settings: Settings, address: str) -> None:
    before = owners(settings)
    for command, *options in (
        ("users",),
        ("users", "--json"),
        ("revoke-sessions", "--yes"),
        ("revoke-sessions", "--tokens"),
        ("delete-user", "--yes"),
        ("delete-user",),
    ):
        done = run(command, address, *options)
        assert (done.exit_code, done.stdout, done.stderr) == (1, "", UNKNOWN)
    assert owners(settings) == before


@pytest.mark.usefixtures("two_people")
def test_revoke_sessions(run: Run, settings: Settings) -> None:
    """All of hers end, and nobody else's; her tokens stay until they are asked for."""
    before = owners(settings)
    done = run("revoke-sessions", "Alice@Example.com", "--yes")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "alice@example.com: sessions ended: 100.\n"
    expected = [before[0], [2, 2], *before[2:]]
    assert owners(settings) == expected
    done = run("revoke-sessions", "alice@example.com", "--yes", "--tokens")
    assert done.stdout == "alice@example.com: sessions ended: 0; access tokens revoked: 2.\n"
    expected[2] = [2, 2]
    assert owners(settings) == expected


@pytest.mark.usefixtures("two_people")
def test_delete_user(run: Run, settings: Settings) -> None:
    """Everything of hers is gone from every table, and nothing of anybody else."""
    before = owners(settings)
    assert all({1, 2} == set(table) for table in before)
    done = run("delete-user", "ALICE@example.com", "--yes")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "The account of alice@example.com has: books 3, sessions 100, tokens 2.",
        "The account of alice@example.com is deleted.",
    ]
    assert owners(settings) == [[owner for owner in table if owner == 2] for table in before]
    assert run("delete-user", "alice@example.com", "--yes").stderr == UNKNOWN


@pytest.mark.usefixtures("two_people", "on_a_terminal")
@pytest.mark.parametrize("command", ["revoke-sessions", "delete-user"])
@pytest.mark.parametrize("answer", ["n\n", "\n", "", "maybe\nno\n"])
def test_answered_no(run: Run, settings: Settings, command: str, answer: str) -> None:
    before = owners(settings)
    done = run(command, "alice@example.com", input=answer)
    assert done.exit_code == 1
    assert "alice@example.com" in done.stderr
    assert done.stderr.endswith("Aborted!\n")
    assert owners(settings) == before


@pytest.mark.usefixtures("two_people", "on_a_terminal")
def test_answered_yes(run: Run, settings: Settings) -> None:
    done = run("revoke-sessions", "alice@example.com", "--tokens", input="y\n")
    assert done.stderr.startswith("End all sessions and access tokens of alice@example.com? [y/N]:")
    assert done.exit_code == 0
    done = run("delete-user", "alice@example.com", input="y\n")
    assert "has: books 3, sessions 0, tokens 0." in done.stdout
    assert done.exit_code == 0
    assert on(settings, lambda app: rows(app, users_table.c.email)) == [("bob@example.com",)]


@pytest.mark.usefixtures("two_people")
@pytest.mark.parametrize("command", ["revoke-sessions", "delete-user"])
def test_no_terminal(run: Run, settings: Settings, command: str) -> None:
    """A line in a pipe is no answer of a person."""
    before = owners(settings)
    for text in ("", "y\n"):
        done = run(command, "alice@example.com", input=text)
        assert done.exit_code == 2
        assert done.stderr == "Error: no terminal to ask on: use --yes\n"
    assert owners(settings) == before


@pytest.mark.usefixtures("two_people")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("typed", "code", "people"), [(b"y\n", 0, [2]), (b"n\n", 1, [1, 2]), (None, 2, [1, 2])]
)
def test_in_a_process(
    environment: dict[str, str],
    settings: Settings,
    typed: bytes | None,
    code: int,
    people: list[int],
) -> None:
    """On a terminal of the system, and with a standard input that is closed."""
    command = [sys.executable, "-m", "service", "delete-user", "alice@example.com"]
    ours, theirs = pty.openpty()
    try:
        if typed is None:
            command = ["sh", "-c", 'exec "$@" <&-', "sh", *command]
        else:
            os.write(ours, typed)
        process = subprocess.run(
            command,
            env=environment | {"PATH": os.environ["PATH"]},
            cwd=ROOT,
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        os.close(theirs)
        os.close(ours)
    assert process.returncode == code, process.stderr
    assert "Traceback" not in process.stderr
    assert "has: books 3, sessions 100, tokens 2." in process.stdout
    assert owners(settings)[-1] == people


def test_deleted_meanwhile(settings: Settings) -> None:
    """By somebody else, while the operator thinks about the question."""
    for work in (
        accounts.delete_user(settings, 1),
        accounts.revoke_sessions(settings, 1, tokens=True),
    ):
        with pytest.raises(NoAccountError):
            asyncio.run(work)


@pytest.mark.usefixtures("two_people")
def test_database_is_busy(run: Run, settings: Settings) -> None:
    """An account that somebody is changing: the reason in one line, and nothing half-done."""
    before = owners(settings)

    async def while_locked() -> list[Result]:
        async with connect_at_head(settings) as opened:  # has no time-out
            connection = EngineConnection(opened)
            async with connection.transaction():
                await get_hash_to_change(connection, 1, whole=False)
                return [
                    await asyncio.to_thread(run, command, "alice@example.com", *options)
                    for command, *options in (
                        ("users",),
                        ("revoke-sessions", "--yes", "--tokens"),
                        ("delete-user", "--yes"),
                    )
                ]

    shown, *refused = asyncio.run(while_locked())
    assert (shown.exit_code, shown.stderr) == (0, "")
    for done in refused:
        assert done.exit_code == 1
        [line] = done.stderr.splitlines()
        assert line.startswith("Error: the database failed: ")
    assert owners(settings) == before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("command", ["users", "revoke-sessions", "delete-user"])
def test_no_database(run: Run, tmp_path: Path, command: str) -> None:
    done = run(command, "alice@example.com", DATABASE_URL=f"sqlite:///{tmp_path}/none.db")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: the database file does not exist yet: run bin/migrate first\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("users", "alice@example.com", "--limit", "3"), "--limit goes without EMAIL"),
        (("users", "--limit", "0"), "Invalid value for '--limit'"),
        (("users", "--limit", "1001"), "Invalid value for '--limit'"),
        (("users", "alice@example.com", "bob@example.com"), "unexpected extra argument"),
        (("revoke-sessions",), "Missing argument 'EMAIL'"),
        (("delete-user", "--yes"), "Missing argument 'EMAIL'"),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_usage(run: Run, arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert message in line
