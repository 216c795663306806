"""create-user and set-password: what an operator does where no mail helps people."""

import pytest
from quart import Quart
from sqlalchemy import delete

from service.cli.maintenance import connect_at_head
from service.config import Settings
from service.models import access_tokens_table, sessions_table, users_table
from service.security.passwords import PasswordHasher
from tests.cli.conftest import Run, on
from tests.people import PASSWORD, Browser, add_person, count, rows
from tests.tokens.token_forms import has_tokens

OTHER = "another of eight or more"


async def sign_in(app: Quart, email: str, password: str) -> int:
    answer = await Browser(app).post("/login", {"email": email, "password": password})
    return answer.status_code


def test_create_user(run: Run, settings: Settings) -> None:
    """Somebody who can sign in, under the canonical form of the address."""
    done = run("create-user", "Alice@Example.COM", "--password-stdin", input=f"{PASSWORD}\n")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "There is an account for alice@example.com now.\n"
    assert on(settings, lambda app: sign_in(app, "alice@example.com", PASSWORD)) == 303
    assert on(settings, lambda app: sign_in(app, "alice@example.com", f"{PASSWORD}\n")) == 401


def test_create_user_asks(run: Run, settings: Settings) -> None:
    """Twice, and shows nothing of it."""
    done = run("create-user", "alice@example.com", input=f"{PASSWORD}\n{PASSWORD}\n")
    assert done.exit_code == 0
    assert PASSWORD not in done.output
    assert done.stdout == "There is an account for alice@example.com now.\n"
    assert on(settings, lambda app: sign_in(app, "alice@example.com", PASSWORD)) == 303


def test_typed_in_another_form(run: Run, settings: Settings) -> None:
    """The same password with its accents composed and decomposed, as long as it is kept."""
    composed, decomposed = "\u00e9" * 100, "e\u0301" * 100
    done = run("create-user", "alice@example.com", input=f"{composed}\n{decomposed}\n")
    assert (done.exit_code, done.stdout) == (0, "There is an account for alice@example.com now.\n")
    for typed in (composed, decomposed):
        assert on(settings, lambda app, it=typed: sign_in(app, "alice@example.com", it)) == 303
    done = run("set-password", "alice@example.com", "--password-stdin", input="u\u0308" * 128)
    assert done.exit_code == 0
    assert on(settings, lambda app: sign_in(app, "alice@example.com", "\u00fc" * 128)) == 303


def test_typed_differently(run: Run, settings: Settings) -> None:
    done = run("create-user", "alice@example.com", input=f"{PASSWORD}\nsomething else\n")
    assert done.exit_code == 1
    assert "do not match" in done.stderr
    assert on(settings, lambda app: count(app, users_table)) == 0


@pytest.mark.parametrize(
    ("email", "password", "messages"),
    [
        ("alice@example.com", "short", ["password: Enter a password of at least 8 characters."]),
        (
            "alice",
            "x" * 129,
            [
                "email: Enter an e-mail address of 6 to 100 characters, such as name@example.com.",
                "password: Enter a password of at most 128 characters.",
            ],
        ),
        ("alice@example.com", "password123", ["password: This password is one of those"]),
        ("alice@example.com", "alice@example.com", ["password: This password is too much like"]),
        (
            "alice@example.com",
            "\uff50\uff41\uff53\uff53word123",
            ["password: This password is one of those"],
        ),
        (
            "alice@example.com",
            "\uff41lice@example.com",
            ["password: This password is too much like"],
        ),
        (
            "alice@example.com",
            "e\u0301u\u0308o\u0308a\u0308",
            ["password: Enter a password of at least 8 characters."],
        ),
        ("alice@example.com", "\ufdfa" * 8, ["password: Enter a password of at most 128"]),
        # Cut within a character at the bound of what is read: still too long, not "no UTF-8".
        ("alice@example.com", "\u20ac" * 3000, ["password: Enter a password of at most 128"]),
        ("alice@example.com", "nine\0nine", ["password: This holds a character"]),
        ("a\udce9lice@example.com", PASSWORD, ["email: This holds a character"]),
        ("alice@example.com", "", ["password: Enter a password"]),
    ],
)
def test_rules_of_registering(
    run: Run, settings: Settings, email: str, password: str, messages: list[str]
) -> None:
    done = run("create-user", email, "--password-stdin", input=password)
    assert (done.exit_code, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    assert len(lines) == len(messages)
    for line, message in zip(lines, messages, strict=True):
        assert line.startswith(f"Error: {message}")
    assert PASSWORD not in done.output
    assert on(settings, lambda app: count(app, users_table)) == 0


def test_taken(run: Run, settings: Settings) -> None:
    for code in (0, 1):
        done = run("create-user", "alice@example.com", "--password-stdin", input=PASSWORD)
        assert done.exit_code == code
    assert done.stderr == "Error: email: There is an account with this e-mail address already.\n"
    assert on(settings, lambda app: count(app, users_table)) == 1


def test_set_password(run: Run, settings: Settings) -> None:
    """The old one is no good any more, nor is a session or token; other people notice nothing."""

    async def two_people(app: Quart) -> tuple[str | None, str | None]:
        alice = await add_person(app, "alice@example.com")
        bob = await add_person(app, "bob@example.com")
        assert await sign_in(app, alice.email, PASSWORD) == 303
        for person in (alice, bob):
            await has_tokens(app, person, person.email)
        return alice.cookie(), bob.cookie()

    alice_before, bob_before = on(settings, two_people)
    done = run("set-password", "ALICE@example.com", "--password-stdin", input=f"{OTHER}\r\n")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "alice@example.com has the new password; sessions ended: 2.\n"

    async def try_all(app: Quart) -> list[int]:
        codes = [await sign_in(app, "alice@example.com", it) for it in (PASSWORD, OTHER)]
        for cookie in (alice_before, bob_before):
            browser = Browser(app)
            browser.set_cookie(cookie or "")
            codes.append((await browser.get("/profile")).status_code)
        return codes

    assert on(settings, try_all) == [401, 303, 303, 200]
    assert on(settings, lambda app: rows(app, access_tokens_table.c.name)) == [("bob@example.com",)]


def test_set_password_of_an_account_that_is_deleted_meanwhile(
    run: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told that it has a new password."""
    on(settings, lambda app: add_person(app, "alice@example.com"))
    hash_password = PasswordHasher.hash

    async def delete_and_hash(self: PasswordHasher, password: str) -> str:
        hashed = await hash_password(self, password)
        async with connect_at_head(settings) as connection:
            await connection.execute(delete(users_table))
            await connection.commit()
        return hashed

    monkeypatch.setattr(PasswordHasher, "hash", delete_and_hash)
    done = run("set-password", "alice@example.com", "--password-stdin", input=f"{OTHER}\n")
    assert done.exit_code == 1
    assert done.stderr == "Error: There is no account with this e-mail address.\n"
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("email", "password", "message"),
    [
        ("carol@example.com", OTHER, "There is no account with this e-mail address."),
        ("no address", OTHER, "There is no account with this e-mail address."),
        # As Python decodes an argument that is no UTF-8.
        ("\udcff@example.com", OTHER, "There is no account with this e-mail address."),
        ("alice@example.com", "short", "password: Enter a password of at least 8 characters."),
        ("alice@example.com", "alice@example.com", "password: This password is too much like"),
        ("alice@example.com", "\uff41lice@example.com", "password: This password is too much like"),
        ("alice@example.com", "\uff50assword123", "password: This password is one of those"),
    ],
)
def test_set_password_refused(
    run: Run, settings: Settings, email: str, password: str, message: str
) -> None:
    on(settings, lambda app: add_person(app, "alice@example.com"))
    before = on(settings, lambda app: rows(app, users_table.c.id, users_table.c.password_hashed))
    done = run("set-password", email, "--password-stdin", input=password)
    assert (done.exit_code, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"Error: {message}")
    assert (
        on(settings, lambda app: rows(app, users_table.c.id, users_table.c.password_hashed))
        == before
    )
    assert on(settings, lambda app: count(app, sessions_table)) == 1


def test_address_of_the_flask_application(run: Run, settings: Settings) -> None:
    """One that could not register today, kept as it was, can be helped too."""
    on(settings, lambda app: add_person(app, "Ünï@example.com"))
    done = run("set-password", "Ünï@example.com", "--password-stdin", input=OTHER)
    assert done.exit_code == 0
    assert on(settings, lambda app: sign_in(app, "Ünï@example.com", OTHER)) == 303


def test_length_is_a_setting(run: Run) -> None:
    arguments = ("create-user", "alice@example.com", "--password-stdin")
    assert run(*arguments, input="s9vj2k", PASSWORD_MIN_LENGTH="7").exit_code == 1
    assert run(*arguments, input="s9vj2k", PASSWORD_MIN_LENGTH="6").exit_code == 0


@pytest.mark.parametrize("command", ["create-user", "set-password"])
def test_usage(run: Run, command: str) -> None:
    """The password has no place among the arguments, where `ps` and the history would show it."""
    for arguments, message in (
        ((), "Missing argument 'EMAIL'"),
        (("alice@example.com", "--password", "x"), "No such option"),
        (("alice@example.com", "a password"), "unexpected extra argument"),
    ):
        done = run(command, *arguments)
        assert (done.exit_code, done.stdout) == (2, "")
        [line] = done.stderr.splitlines()
        assert message in line
    done = run(command, "alice@example.com", "--password-stdin", input=b"\xff\xfe")
    assert done.exit_code == 2
    assert done.stderr == "Error: the password on standard input is not UTF-8\n"
