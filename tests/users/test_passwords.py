"""Which passwords a new account may have."""

import random

import pytest
from quart import Quart

from service.exceptions import InvalidInputError
from service.models import PASSWORD_MAX_LENGTH
from service.users import passwords
from service.users.passwords import check_new_password
from tests.people import Browser

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
