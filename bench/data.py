"""The bench's database: made by the migrations, filled with readers and books, then dropped."""

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from bench.peers import OURS, Peer
from service.security.tokens import hash_token, new_access_token
from tests.servers import ROOT

PASSWORD = "a long password for the bench"
TOKEN = new_access_token()  # of the API's one reader
API_BOOKS = 10_000
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
ADD_USER = (
    "INSERT INTO users (email, password_hashed, registered_on) VALUES ($1, $2, $3) RETURNING id"
)
# Every 97th title needs escaping, and every fifth book has no rating.
ADD_BOOKS = """
INSERT INTO books (title, author, rating, user_id, created_at, updated_at)
SELECT 'Volume ' || lpad(n::text, 6, '0') || CASE WHEN n % 97 = 0 THEN ' & more' ELSE '' END,
       'Author ' || n % 500, nullif(n % 6, 0), $1, $3, $3
  FROM generate_series(1, $2) AS n
"""
# Used a moment ago, and for as long as the bench runs: only the service would note it.
ADD_TOKEN = """
INSERT INTO access_tokens (token_hash, user_id, name, scopes, created_at, expires_at, last_used_at)
VALUES ($1, $2, 'bench', 'books:read', $3, $4, $4)
"""


@contextmanager
def database(server_url: str, peers: Iterable[Peer]) -> Iterator[str]:
    """Yields the URL of a migrated database in which each peer has its readers."""
    name = f"bench_{secrets.token_hex(4)}"
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    asyncio.run(_execute(server_url, f"CREATE DATABASE {name}"))
    try:
        _migrate(url)
        asyncio.run(_fill(url, peers))
        yield url
    finally:
        asyncio.run(_execute(server_url, f"DROP DATABASE {name} WITH (FORCE)"))


def _migrate(url: str) -> None:
    command = [sys.executable, "-m", "alembic", "-c", "alembic.ini", "upgrade", "head"]
    environment = {"PATH": os.environ["PATH"]} | OURS.environment(url)
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=120)


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(statement, timeout=60)
    finally:
        await connection.close()


async def _fill(url: str, peers: Iterable[Peer]) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        for peer in peers:
            hashed = peer.hash_password(PASSWORD)
            for books in {route.books for route in peer.routes} - {None}:
                await _add_reader(connection, peer.email(books or 0), hashed, books or 0)
        user = await _add_reader(connection, "api@example.com", "", API_BOOKS)
        later = datetime.now(UTC) + timedelta(days=1)
        await connection.execute(ADD_TOKEN, hash_token(TOKEN), user, EPOCH, later)
        await connection.execute("VACUUM ANALYZE", timeout=60)
    finally:
        await connection.close()


async def _add_reader(connection: asyncpg.Connection, email: str, hashed: str, books: int) -> int:
    user: int = await connection.fetchval(ADD_USER, email, hashed, EPOCH)
    await connection.execute(ADD_BOOKS, user, books, EPOCH, timeout=60)
    return user
