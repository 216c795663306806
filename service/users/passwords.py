"""Which passwords an account may have."""

import gzip
from functools import cache
from importlib.resources import files

from service.exceptions import FieldError, InvalidInputError
from service.models import EMAIL_MAX_KEPT_LENGTH, PASSWORD_MAX_LENGTH
from service.security.password_text import fold, is_too_long, normalise
from service.users.forms import readable_email

SERVICE_NAME = "readlog"
# What must be left of a password without the words that anybody would try for this person.
MIN_UNGUESSED = 4  # code points
MIN_WORD = 3  # a shorter word says nothing: "al" is part of too much


def check_new_password(password: str, email: str, *, min_length: int) -> None:
    """Refuse a password of a wrong length (in code points), well known, or made of the address.

    Every rule looks at the form that is kept (NFKC), not at the one that was typed. `email` is the
    canonical address, or what was typed in place of one.

    Blocks for some 20 ms the first time: the list is unpacked then. Raises InvalidInputError.
    """
    if is_too_long(password, PASSWORD_MAX_LENGTH):  # first: it bounds what is normalised
        _refuse(f"Enter a password of at most {PASSWORD_MAX_LENGTH} characters.", "too_long")
    if len(normalise(password)) < min_length:
        _refuse(f"Enter a password of at least {min_length} characters.", "too_short")
    if fold(password) in _common_passwords():
        _refuse("This password is one of those that are guessed first. Choose another.", "common")
    if _is_guessable(password, email):
        _refuse("This password is too much like your e-mail address. Choose another.", "guessable")


def _is_guessable(password: str, email: str) -> bool:
    text = fold(password)
    words = {SERVICE_NAME}
    if len(email) <= EMAIL_MAX_KEPT_LENGTH:  # a longer one is no account's, and is refused itself
        for spelling in (email, readable_email(email)):
            words |= {spelling, *spelling.split("@")}
    return any(
        len(word) >= MIN_WORD and word in text and len(text.replace(word, "")) < MIN_UNGUESSED
        for word in map(fold, words)
    )


@cache
def _common_passwords() -> frozenset[str]:
    """Some 50,000, as `fold` makes them; where they come from is said in docs/third-party.md."""
    packed = files("service.security").joinpath("common_passwords.txt.gz").read_bytes()
    return frozenset(gzip.decompress(packed).decode().split("\n"))


def _refuse(message: str, code: str) -> None:
    raise InvalidInputError(FieldError("password", message, code))
