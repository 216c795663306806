"""Opaque tokens: random, shown once, kept only as a hash."""

import hashlib
import secrets

TOKEN_BYTES = 32  # 256 bits; ASVS 7.2.3 asks for 128


def new_token() -> str:
    """A new random token of 43 characters that are safe in cookies and addresses."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str) -> bytes:
    """The 32 bytes a token is kept as. SHA-256 is enough: nobody can guess a random token."""
    return hashlib.sha256(token.encode(errors="replace")).digest()
