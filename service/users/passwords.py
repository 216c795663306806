"""The rules of new passwords: decision 26."""

import gzip
from functools import cache
from importlib.resources import files

from service.exceptions import FieldError, InvalidInputError
from service.models import EMAIL_MAX_KEPT_LENGTH, PASSWORD_MAX_LENGTH
from service.security.password_text import fold, is_too_long, normalise
from service.users.forms import readable_email

SERVICE_NAME = "readlog"
# A password without a guessable word, such as the e-mail address, must still have this length.
MIN_UNGUESSED = 4  # code points
MIN_WORD = 3  # code points; shorter words, such as "al", are part of too many good passwords


def check_new_password(password: str, email: str, *, min_length: int) -> None:
    """Check a new password. Raises InvalidInputError for the field `password`.

    Refused are passwords of a wrong length, common passwords, and passwords that resemble the
    address or the name of the service. Lengths are in code points. Every rule looks at the
    normalised form (NFKC), which is the form that is hashed. `email` is the canonical address, or
    the typed text if that is no valid address.

    The first call blocks for about 20 ms, because it unpacks the list of common passwords.
    """
    if is_too_long(password, PASSWORD_MAX_LENGTH):  # first: bounds the text for `normalise`
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
    if len(email) <= EMAIL_MAX_KEPT_LENGTH:  # a longer address is refused anyway
        for spelling in (email, readable_email(email)):
            words |= {spelling, *spelling.split("@")}
    return any(
        len(word) >= MIN_WORD and word in text and len(text.replace(word, "")) < MIN_UNGUESSED
        for word in map(fold, words)
    )


@cache
def _common_passwords() -> frozenset[str]:
    """Return about 50,000 passwords in the form of `fold`. Their source: docs/third-party.md."""
    packed = files("service.security").joinpath("common_passwords.txt.gz").read_bytes()
    return frozenset(gzip.decompress(packed).decode().split("\n"))


def _refuse(message: str, code: str) -> None:
    raise InvalidInputError(FieldError("password", message, code))
