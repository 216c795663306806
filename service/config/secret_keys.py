"""Signing keys: the rule for weak keys, and the key file of development."""

import os
import re
import secrets
from pathlib import Path

MIN_LENGTH = 32  # characters; 128 random bits in hexadecimal
MIN_DISTINCT = 10  # characters; one in 10,000 random hexadecimal keys of MIN_LENGTH has fewer
MIN_REST = 16  # characters that must remain when the words below are removed

# Words of example keys. Longer words come first, so that nothing of "changeme" remains.
_WORDS = re.compile(
    "abcdefghijklmnopqrstuvwxyz|abcdefghij|qwertyuiop|asdfghjkl|zxcvbnm|qwerty|1234567890"
    "|0123456789|12345678|123456|development|placeholder|production|changethis|replaceme|changeme"
    "|insecure|password|replace|session|testing|default|example|readlog|change|cookie|django|random"
    "|secret|string|unsafe|admin|dummy|flask|local|please|quart|super|token|value|here|test|this"
    "|your|bad|dev|foo|bar|key|xxx"
)
# Example keys, and a prefix of keys, that people copy from Flask, FastAPI and Django.
_PUBLISHED = (
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    "5f352379324c22463451387a0aec5d2f",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "django-insecure-",
)


def is_weak(key: str) -> bool:
    """Return whether a key is short, published, a repetition, or words with little between them."""
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
    """Return a new key of 256 random bits, as 43 characters."""
    return secrets.token_urlsafe(32)


def instance_key(path: Path) -> str:
    """Return the key in a file, which the first call makes; several processes get the same key.

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
        # link() makes the whole file appear at once and, unlike rename(), replaces no file that
        # another process has made first.
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
