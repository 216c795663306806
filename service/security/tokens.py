"""Opaque tokens: random, shown once, stored only as a hash."""

import hashlib
import re
import secrets
import string
import zlib

TOKEN_BYTES = 32  # 256 bits; ASVS 7.2.3 requires 128

# Access tokens have a special form, so that scanners for secrets can recognise them: a prefix,
# letters and digits, and a checksum.
ACCESS_TOKEN_PREFIX = "rl_"  # noqa: S105 - a prefix, not a secret
_ALPHABET = string.digits + string.ascii_letters
_RANDOM_LENGTH = 30  # characters: 178 bits
_CHECKSUM_LENGTH = 6  # CRC-32 in the same characters
_TOKEN = re.compile("[0-9A-Za-z_-]{43}", re.ASCII)  # TOKEN_BYTES in base64 without padding
_ACCESS_TOKEN = re.compile(
    f"{ACCESS_TOKEN_PREFIX}[0-9a-zA-Z]{{{_RANDOM_LENGTH + _CHECKSUM_LENGTH}}}", re.ASCII
)


def new_token() -> str:
    """Return a new random token of 43 characters that are safe in cookies and addresses."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def is_token(text: str) -> bool:
    """Return whether a text has the form of `new_token`."""
    return _TOKEN.fullmatch(text) is not None


def hash_token(token: str) -> bytes:
    """Return the 32 bytes to store. SHA-256 is enough, as nobody can guess a random token."""
    return hashlib.sha256(token.encode(errors="replace")).digest()


def new_access_token() -> str:
    """Return a new random token for a program, of 39 characters."""
    text = ACCESS_TOKEN_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return text + _checksum(text)


def is_access_token(text: str) -> bool:
    """Return whether form and checksum are right; a mistyped token needs no query."""
    return (
        _ACCESS_TOKEN.fullmatch(text) is not None
        and _checksum(text[:-_CHECKSUM_LENGTH]) == text[-_CHECKSUM_LENGTH:]
    )


def _checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
