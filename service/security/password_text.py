"""The form of a password (NFKC) that is hashed and that all rules check (decision 26)."""

import unicodedata

# At most four typed characters become one character in NFKC. So a text of more than `MAX_TYPED`
# times the longest password is always too long, and is refused without normalising it: the time
# for that grows with the square of the length.
MAX_TYPED = 4


def normalise(password: str) -> str:
    """Return the form that is hashed, NFKC: it does not depend on how a keyboard composes accents.

    The time grows with the square of the length, so callers must limit the length first.
    """
    return unicodedata.normalize("NFKC", password)


def fold(password: str) -> str:
    """Return the same text for passwords that differ in case only. Callers limit the length."""
    return normalise(normalise(password).casefold())


def is_too_long(typed: str, longest: int) -> bool:
    """Return whether the hashed form would be longer than `longest` code points."""
    return len(typed) > MAX_TYPED * longest or len(normalise(typed)) > longest


def is_same(typed: str, again: str, longest: int) -> bool:
    """Return whether two texts are the same password, of at most `longest` code points."""
    if typed == again:
        return True
    return max(len(typed), len(again)) <= MAX_TYPED * longest and normalise(typed) == normalise(
        again
    )
