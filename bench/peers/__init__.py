"""The applications that are compared, and how each is started and signed in to."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher
from werkzeug.security import generate_password_hash

WORKERS = 2
SECRET_KEY = "only-for-the-bench-0123456789-abcdefghijklmnopqrstuvwxyz"
GUNICORN = (sys.executable, "-m", "gunicorn", "--config", "bench/peers/gunicorn_plain.py")


@dataclass(frozen=True)
class Route:
    """One page; `books` is how many its signed-in reader has, None where nobody is signed in.

    A call of the API, which has one reader for all peers, brings a token instead; where it is
    `unchanged` also the ETag of what it would get, and the answer is 304.
    """

    name: str
    path: str
    books: int | None = None
    api: bool = False
    unchanged: bool = False

    @property
    def status(self) -> str:
        """What is answered."""
        return "304" if self.unchanged else "200"


WELCOME = Route("/", "/")
PAGES = (
    WELCOME,
    Route("/login", "/login"),
    Route("/books/ of 25", "/books/", 25),
    Route("/books/ of 10000", "/books/", 10_000),
)
LIST = Route("API: 25 books", "/api/v1/books?limit=25", api=True)
UNCHANGED = Route("API: the same, 304", LIST.path, api=True, unchanged=True)
API = (LIST, UNCHANGED)
ROUTES = (*PAGES, *API)


def _werkzeug(password: str) -> str:
    # Few rounds: signing in is not measured.
    return generate_password_hash(password, "pbkdf2:sha256:1000")


@dataclass(frozen=True)
class Peer:
    """An application under gunicorn, served from the project's root.

    Every peer has readers of its own in the one database, since each hashes passwords its own
    way. One that lacks a page leaves it out of `routes`; one that is ready elsewhere than at
    `/` says so in `ready`.
    """

    name: str
    start: tuple[str, ...]  # the command, to which arguments of gunicorn's may be added
    environment: Callable[[str], dict[str, str]]  # from the database's postgresql:// URL
    hash_password: Callable[[str], str] = _werkzeug
    routes: tuple[Route, ...] = PAGES
    login: str = "/login"
    ready: str = "/"
    signed_in: str = "302"  # what signing in is answered with

    def command(self, port: int) -> list[str]:
        """What starts it on this port of this machine."""
        return [*self.start, "--bind", f"127.0.0.1:{port}", "--workers", str(WORKERS)]

    def email(self, books: int) -> str:
        """The address of this peer's reader with so many books."""
        return f"{self.name}-{books}@example.com"


def _ours(database_url: str) -> dict[str, str]:
    return {
        "CONFIG_TYPE": "testing",
        "DATABASE_URL": database_url,
        "LOG_LEVEL": "warning",
        "RATE_LIMITS": "off",
        "SECRET_KEY": SECRET_KEY,
        "WEB_CONCURRENCY": str(WORKERS),
        # What bin/start takes python3 from.
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "VIRTUAL_ENV": sys.prefix,
    }


def _twin(database_url: str) -> dict[str, str]:
    # The driver that the Flask application used; SQLAlchemy 2.1 would take psycopg 3.
    url = database_url.replace("postgresql://", "postgresql+psycopg2://", 1)
    return {"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY}


def _alone(database_url: str) -> dict[str, str]:
    return {"DATABASE_URL": database_url}


OURS = Peer(
    "readlog",
    ("bin/start",),
    _ours,
    PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1).hash,
    routes=ROUTES,
    ready="/livez",
    signed_in="303",
)
FLASK = Peer("flask", (*GUNICORN, "bench.peers.flask_list:create_app()"), _twin)
# The same with threads and keep-alive: what a Flask application gains without being rewritten.
FLASK_THREADS = Peer(
    "flask-threads", (*FLASK.start, "--worker-class", "gthread", "--threads", "4"), _twin
)

# What frameworks of the same kind take for the API's list, and what is left without any.
_ASYNC = (*GUNICORN, "--worker-class", "bench.peers.worker.PlainWorker")
FASTAPI = Peer("fastapi", (*_ASYNC, "bench.peers.fastapi_books:create_app()"), _alone, routes=API)
ASGI = Peer("asgi", (*_ASYNC, "bench.peers.asgi_books:create_app()"), _alone, routes=API)

PEERS = {peer.name: peer for peer in (FLASK, FLASK_THREADS, FASTAPI, ASGI)}
