"""The bench's databases: made by migrations, filled with people and books, dropped at the end.

Every release of the service that is measured has a database of its own, for its own schema. All
have the same rows, and stand on one PostgreSQL server.
"""

import asyncio
import os
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from bench.peers import OURS, Peer
from bench.processor import PROC
from bench.rows import API_BOOKS, PAGE_SIZE, WRITERS
from service.security.tokens import hash_token, new_access_token

PASSWORD = "a long password for the bench"
READ_TOKEN = new_access_token()  # of the API's one reader
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
# Used a moment ago, and for as long as the bench runs: only the service would write it down.
ADD_TOKEN = """
INSERT INTO access_tokens (token_hash, user_id, name, scopes, created_at, expires_at, last_used_at)
VALUES ($1, $2, 'bench', 'books:read books:write', $3, $4, $4)
"""
PARENT_OF_STAT = 1  # field of /proc/<pid>/stat behind the command's name


@dataclass(frozen=True)
class Database:
    """A database; `server` is the process id of PostgreSQL's first process, where it runs here."""

    url: str
    server: int | None

    def count(self, table: str) -> int:
        """How many rows a table has now."""
        rows: int = asyncio.run(_ask(self.url, f"SELECT count(*) FROM {table}"))
        return rows


@contextmanager
def databases(server_url: str, peers: Sequence[Peer]) -> Iterator[dict[str, Database]]:
    """Yield the database of each peer, by the peer's name."""
    server = asyncio.run(_server(server_url))
    with ExitStack() as stack:
        made: dict[Path, Database] = {}
        for peer in peers:
            if peer.folder not in made:
                owner = peer if peer.is_service else OURS
                url = stack.enter_context(_database(server_url, owner, peers))
                made[peer.folder] = Database(url, server)
        yield {peer.name: made[peer.folder] for peer in peers}


def write_token(peer: Peer, writer: int) -> str:
    """The access token of one of a peer's writers."""
    return _TOKENS.setdefault(peer.writer(writer), new_access_token())


_TOKENS: dict[str, str] = {}


@contextmanager
def _database(server_url: str, owner: Peer, peers: Sequence[Peer]) -> Iterator[str]:
    name = f"bench_{secrets.token_hex(4)}"
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    asyncio.run(_ask(server_url, f"CREATE DATABASE {name}"))
    try:
        _migrate(owner, url)
        asyncio.run(_fill(url, peers))
        yield url
    finally:
        asyncio.run(_ask(server_url, f"DROP DATABASE {name} WITH (FORCE)"))


def _migrate(peer: Peer, url: str) -> None:
    command = [str(peer.python), "-m", "alembic", "-c", "alembic.ini", "upgrade", "head"]
    environment = {"PATH": os.environ["PATH"]} | peer.environment(url)
    subprocess.run(command, cwd=peer.folder, env=environment, check=True, timeout=120)


async def _ask(url: str, statement: str) -> Any:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await connection.fetchval(statement, timeout=60)
    finally:
        await connection.close()


async def _server(url: str) -> int | None:
    """The parent of the process that serves our connection, if it is a PostgreSQL of here."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        pid = await connection.fetchval("SELECT pg_backend_pid()")
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    finally:
        await connection.close()
    return int(stat.rpartition(")")[2].split()[PARENT_OF_STAT]) if "postgres" in stat else None


async def _fill(url: str, peers: Sequence[Peer]) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        for peer in peers:
            hashed = peer.hash_password(PASSWORD)
            for books in sorted({row.books for row in peer.rows if row.books}):
                await _add_person(connection, peer.reader(books), hashed, books)
            for number in range(WRITERS):
                person = await _add_person(connection, peer.writer(number), hashed, PAGE_SIZE)
                await _add_token(connection, write_token(peer, number), person)
        person = await _add_person(connection, "api@example.com", "", API_BOOKS)
        await _add_token(connection, READ_TOKEN, person)
        await connection.execute("VACUUM ANALYZE", timeout=60)
    finally:
        await connection.close()


async def _add_person(connection: asyncpg.Connection, email: str, hashed: str, books: int) -> int:
    user: int = await connection.fetchval(ADD_USER, email, hashed, EPOCH)
    await connection.execute(ADD_BOOKS, user, books, EPOCH, timeout=60)
    return user


async def _add_token(connection: asyncpg.Connection, token: str, user: int) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    await connection.execute(ADD_TOKEN, hash_token(token), user, EPOCH, later)
