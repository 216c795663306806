"""Which passwords a new account may have."""

import random
import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quart import Quart

from service.exceptions import InvalidInputError
from service.models import PASSWORD_MAX_LENGTH
from service.security.password_text import MAX_TYPED, fold, is_same, is_too_long
from service.users import passwords
from service.users.passwords import check_new_password
from tests.people import Browser, add_user

EMAIL = "carol@example.com"
COMMON = """
    password 12345678 123456789 1234567890 qwertyuiop password1 iloveyou 11111111 00000000
    football baseball superman starwars trustno1 sunshine1 princess1 computer whatever
    qwerty123 1q2w3e4r 1qaz2wsx q1w2e3r4 asdfghjkl zxcvbnm1 abcd1234 abc12345 letmein1
    dragon12 michelle jennifer liverpool chelsea1 passw0rd p@ssw0rd welcome1 changeme
"""


def refused(password: str, email: str = EMAIL, min_length: int = 8) -> str | None:
    """The code of the refusal, or None."""
    try:
        check_new_password(password, email, min_length=min_length)
    except InvalidInputError as error:
        [wrong] = error.errors
        assert wrong.field == "password"
        return wrong.code
    return None


@pytest.mark.parametrize(("length", "code"), [(1, "too_short"), (7, "too_short"), (8, None)])
def test_password_shortest(length: int, code: str | None) -> None:
    assert refused("uvxkqjzw"[:length]) == code


def test_password_shortest_is_the_operators_to_set() -> None:
    assert refused("uvxkqjzwmprt", min_length=15) == "too_short"
    assert refused("uvxkqj", min_length=6) is None


@pytest.mark.parametrize(
    "password",
    ["🦉📚🕯️🫖🪑🧵🗝️", "ёлкииглы", "   a b   ", "aaaaaaaaaaaaaaaaz", "8402917365018273", "é" * 9],
)
def test_password_any_characters(password: str) -> None:
    """No rule asks for kinds of characters; length counts code points, not bytes."""
    assert refused(password) is None


def test_password_counts_code_points() -> None:
    assert refused("🦉" * 7) == "too_short"
    assert refused("🦉" * 8) is None


@pytest.mark.parametrize("password", COMMON.split())
def test_password_common(password: str) -> None:
    assert refused(password) == "common"
    assert refused(password.upper()) == "common"
    assert refused(password.title()) == "common"


def test_password_common_list() -> None:
    """At least 3,000 that are long enough to be chosen are refused, whatever their case."""
    usable = sorted(word for word in passwords._common_passwords() if len(word) >= 8)
    assert len(usable) >= 3000
    for word in random.Random(7).sample(usable, 200):
        assert refused(word.swapcase()) == "common"


@pytest.mark.parametrize(
    "password",
    [
        "carol@example.com",
        "CAROL@EXAMPLE.COM",
        "carolCarol",
        "carolcarolcarol",
        "carol7#q",
        "7#qcarol",
        "readlog1",
        "ReadlogReadlog",
        "example.com",
        "example.com!1",
    ],
)
def test_password_guessable(password: str) -> None:
    """The address, its parts and the service's name leave too little to guess."""
    assert refused(password) == "guessable"


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44\uff11\uff12\uff13", "common"),
        (
            "\U0001d429\U0001d41a\U0001d42c\U0001d42c\U0001d430\U0001d428\U0001d42b\U0001d41d",
            "common",
        ),
        ("\u24df\u24d0\u24e2\u24e2\u24e6\u24de\u24e1\u24d3", "common"),
        ("".join(chr(ord(it) + 0xFEE0) for it in EMAIL), "guessable"),
        ("".join(chr(ord(it) + 0xFEE0) for it in EMAIL.upper()), "guessable"),
        ("\uff52ead\uff4cog1", "guessable"),
        ("e\u0301u\u0308o\u0308a\u0308", "too_short"),
        ("e\u0301" * 7, "too_short"),
        ("e\u0301" * 8, None),
        ("\ufdfa", None),  # eighteen characters in one
        ("\ufdfa" * 7, None),
        ("\ufdfa" * 8, "too_long"),
        ("e\u0301" * PASSWORD_MAX_LENGTH, None),
        ("e\u0301" * (PASSWORD_MAX_LENGTH + 1), "too_long"),
        # Four typed characters for each one that is kept: no spelling is longer.
        ("\u03b1\u0313\u0300\u0345" * PASSWORD_MAX_LENGTH, None),
        ("\u03b1\u0313\u0300\u0345" * PASSWORD_MAX_LENGTH + "x", "too_long"),
    ],
    ids=ascii,
)
def test_password_rules_look_at_what_is_kept(password: str, code: str | None) -> None:
    """However it is typed, it is the password that it becomes (F4)."""
    assert refused(password) == code
    assert refused(unicodedata.normalize("NFKC", password)) == code


@pytest.mark.parametrize(
    "password",
    ["carol@b\u00fccher.example.com", "CAROL@BU\u0308CHER.EXAMPLE.COM", "b\u00fccher.example.com"],
    ids=ascii,
)
def test_password_of_an_address_in_another_script(password: str) -> None:
    """The address is kept in ASCII, but its owner writes it as it is read."""
    assert refused(password, email="carol@xn--bcher-kva.example.com") == "guessable"


def test_password_of_an_address_of_the_flask_application() -> None:
    """One that could not register today is compared as it is kept, in every form of the letters."""
    assert refused("U\u0308ni\u0308@example.org", email="\u00dcn\u00ef@example.org") == "guessable"


@given(st.text(max_size=40), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_password_verdict_is_the_same_in_every_form(password: str, form: str) -> None:
    assert refused(unicodedata.normalize(form, password)) == refused(password)  # type: ignore[arg-type]


def test_password_longest_spelling() -> None:
    """No character of NFKC has a longer spelling than `is_too_long` goes by."""
    kept = (chr(number) for number in range(sys.maxunicode + 1))
    longest = max(len(unicodedata.normalize("NFD", it)) for it in kept)
    assert longest == MAX_TYPED


def test_password_that_costs_much_to_normalise() -> None:
    """Marks in the wrong order take the square of their number: too many are not looked at."""
    started = time.process_time()
    for marks in ("a" + "\u0301\u0316" * 30_000, "\ufdfa" * 60_000):
        assert refused(marks) == "too_long"
        assert refused("x" * 20, email=f"{marks}@example.com") is None
        assert is_too_long(marks, PASSWORD_MAX_LENGTH)
        assert not is_same(marks, f"{marks}x", PASSWORD_MAX_LENGTH)
    assert time.process_time() - started < 1  # normalising one of them takes three


def test_password_list_is_folded() -> None:
    """As `fold` makes a password, so that each word of it is found."""
    words = passwords._common_passwords()
    assert {fold(word) for word in words} == words


def test_password_may_contain_a_name() -> None:
    assert refused("carol rows at dawn") is None
    assert refused("alphabets", email="al@example.com") is None


@pytest.mark.parametrize("length", [8, 64, PASSWORD_MAX_LENGTH])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_password_lengths_that_work(app: Quart, nobody: Browser, length: int) -> None:
    """Every length up to the longest works, and no character of it is dropped."""
    password = ("qvxz-jwkp-mbtr-" * 10)[:length]
    form = {"email": EMAIL, "password": password, "confirm": password}
    assert (await nobody.post("/register", form)).status_code == 303
    await nobody.post("/logout")
    shorter = {"email": EMAIL, "password": password[: min(72, length - 1)]}
    assert (await nobody.post("/login", shorter)).status_code == 401
    assert (await nobody.post("/login", form)).status_code == 303


@pytest.mark.parametrize(
    ("chosen", "typed", "right"),
    [
        ("cafe\u0301 au lait", "caf\u00e9 au lait", True),
        ("caf\u00e9 au lait", "cafe\u0301 au lait", True),
        ("\uff21\uff22 full width", "AB full width", True),
        ("\u00e9" * 100, "e\u0301" * 100, True),
        ("e\u0301" * 100, "\u00e9" * 100, True),
        ("e\u0301" * PASSWORD_MAX_LENGTH, "\u00e9" * PASSWORD_MAX_LENGTH, True),
        (" leading space", "leading space", False),
        ("trailing space ", "trailing space", False),
        ("Case Matters", "case matters", False),
        ("caf\u00e9 au lait", "cafe au lait", False),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_password_spellings(
    app: Quart, nobody: Browser, chosen: str, typed: str, right: bool
) -> None:
    """However a keyboard composes its accents, the password is the same; nothing is trimmed."""
    form = {"email": EMAIL, "password": chosen, "confirm": chosen}
    assert (await nobody.post("/register", form)).status_code == 303
    await nobody.post("/logout")
    response = await nobody.post("/login", {"email": EMAIL, "password": typed})
    assert response.status_code == (303 if right else 401)


@pytest.mark.parametrize("typed", ["\ufdfa" * 100, "\u2026" * PASSWORD_MAX_LENGTH], ids=ascii)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_password_of_before(app: Quart, nobody: Browser, typed: str) -> None:
    """One that is too long for a new account still signs in to an old one."""
    hasher = app.extensions["password_hasher"]
    await add_user(app, EMAIL, await hasher.hash(typed))
    form = {"email": EMAIL, "password": typed, "confirm": typed}
    assert (await nobody.post("/register", form)).status_code == 422
    assert (await nobody.post("/login", form)).status_code == 303


@pytest.mark.parametrize(
    ("typed", "again", "right"),
    [
        ("cafe\u0301 au lait", "caf\u00e9 au lait", True),
        ("caf\u00e9 au lait", "cafe\u0301 au lait", True),
        ("caf\u00e9 au lait", "cafe au lait", False),
    ],
    ids=ascii,
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_password_confirmed(
    app: Quart, nobody: Browser, typed: str, again: str, right: bool
) -> None:
    """Two keyboards may compose the accents of one password differently."""
    form = {"email": EMAIL, "password": typed, "confirm": again}
    response = await nobody.post("/register", form)
    assert response.status_code == (303 if right else 422)
