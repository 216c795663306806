"""The keys that sign: what makes one too weak, and one that development makes for itself."""

import os
import re
import secrets
from pathlib import Path

MIN_LENGTH = 32  # characters; what 128 random bits take in hexadecimal
MIN_DISTINCT = 10  # characters; of the shortest hexadecimal keys one in 10,000 has fewer
MIN_REST = 16  # characters that must be left when the words below are taken away

# Words of examples. The longer stand first: "changeme" should not leave "me" over.
_WORDS = re.compile(
    "abcdefghijklmnopqrstuvwxyz|abcdefghij|qwertyuiop|asdfghjkl|zxcvbnm|qwerty|1234567890"
    "|0123456789|12345678|123456|development|placeholder|production|changethis|replaceme|changeme"
    "|insecure|password|replace|session|testing|default|example|readlog|change|cookie|django|random"
    "|secret|string|unsafe|admin|dummy|flask|local|please|quart|super|token|value|here|test|this"
    "|your|bad|dev|foo|bar|key|xxx"
)
# Found in the manuals of Flask, FastAPI and Django, and copied from there.
_PUBLISHED = (
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    "5f352379324c22463451387a0aec5d2f",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "django-insecure-",
)


def is_weak(key: str) -> bool:
    """Whether a key is short, one of a manual, or made by repeating, counting or padding words."""
    lower = key.lower()
    rest = _WORDS.sub("", lower)
    return (
        len(key) < MIN_LENGTH
        or len(rest) < MIN_REST
        or len(set(rest)) < MIN_DISTINCT
        or any(published in lower for published in _PUBLISHED)
        or any(key[period:] == key[:-period] for period in range(1, len(key) // 2 + 1))
    )


def random_key() -> str:
    """A new key of 256 bits."""
    return secrets.token_urlsafe(32)


def instance_key(path: Path) -> str:
    """The key in a file, made on first use; processes that start together get the same.

    Raises OSError when the file cannot be made or read, ValueError when it is damaged.
    """
    if not path.exists():
        _write_once(path, random_key())
    key = path.read_text().strip()
    if len(key) < MIN_LENGTH:
        raise ValueError(f"{path} is damaged")
    return key


def _write_once(path: Path, key: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(key)
        # A link appears whole and, unlike a rename, never replaces what another was quicker with.
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
