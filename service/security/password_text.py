"""The one form of a password: what is kept, and what every rule looks at."""

import unicodedata

# One character of the form NFKC comes from at most four typed ones. So no text of more than
# `MAX_TYPED` times the longest password can become short enough, and none needs to be normalised
# to be refused: that takes time with the square of a text's length.
MAX_TYPED = 4


def normalise(password: str) -> str:
    """The form that is hashed (NFKC): the same however the keyboard composes its accents.

    Takes time with the square of the length: callers bound that first.
    """
    return unicodedata.normalize("NFKC", password)


def fold(password: str) -> str:
    """Return the same text for passwords that differ in case only. Callers bound the length."""
    return normalise(normalise(password).casefold())


def is_too_long(typed: str, longest: int) -> bool:
    """Whether the form that would be kept is longer than `longest` code points."""
    return len(typed) > MAX_TYPED * longest or len(normalise(typed)) > longest


def is_same(typed: str, again: str, longest: int) -> bool:
    """Whether two texts are one password, which has at most `longest` code points."""
    if typed == again:
        return True
    return max(len(typed), len(again)) <= MAX_TYPED * longest and normalise(typed) == normalise(
        again
    )
