"""The applications that are compared, and how each is started and signed in to."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher
from werkzeug.security import generate_password_hash

from bench.rows import ADD_BY_API, ADD_BY_ONE, ADD_BY_PAGE, API, PAGES, ROWS, Row
from tests.servers import ROOT

WORKERS = 2
SECRET_KEY = "only-for-the-bench-0123456789-abcdefghijklmnopqrstuvwxyz"
GUNICORN = (sys.executable, "-m", "gunicorn", "--config", "bench/peers/gunicorn_plain.py")


class CheckoutError(RuntimeError):
    """A folder has no checkout of this service, or its code would not be what runs."""


def _argon2(password: str) -> str:
    return PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1).hash(password)


def _werkzeug(password: str) -> str:
    # Few rounds: no row measures a twin's sign-in.
    return generate_password_hash(password, "pbkdf2:sha256:1000")


@dataclass(frozen=True)
class Peer:
    """An application under gunicorn.

    Each peer has readers and writers of its own, since each hashes passwords in its own way. It
    uses the database that the migrations in `folder` make. A peer without a login page has
    programs only; one that is ready elsewhere than at `/` says so in `ready`.
    """

    name: str
    start: tuple[str, ...]  # the command, to which arguments of gunicorn's may be added
    environment: Callable[[str], dict[str, str]]  # from the database's postgresql:// URL
    rows: tuple[Row, ...]
    hash_password: Callable[[str], str] = _werkzeug
    login: str = "/login"
    ready: str = "/"
    folder: Path = ROOT
    python: Path = Path(sys.executable)
    is_service: bool = False  # this service, of some release

    def command(self, port: int, workers: int = WORKERS) -> list[str]:
        """What starts it on this port of this machine."""
        return [*self.start, "--bind", f"127.0.0.1:{port}", "--workers", str(workers)]

    @property
    def has_pages(self) -> bool:
        """Whether people can sign in."""
        return any(row.sender in ("reader", "writers by page") for row in self.rows)

    def reader(self, books: int) -> str:
        """The e-mail address of this peer's reader with so many books."""
        return f"{self.name}-{books}@example.com"

    def writer(self, number: int) -> str:
        """The e-mail address of one of this peer's writers."""
        return f"{self.name}-writer-{number}@example.com"


def service(folder: Path = ROOT, name: str = "readlog") -> Peer:
    """The service as it stands in this folder, run by the folder's `.venv` where it has one."""
    own = folder / ".venv" / "bin" / "python"
    python = own if own.exists() else Path(sys.executable)

    def environment(database_url: str) -> dict[str, str]:
        return {
            "CONFIG_TYPE": "testing",
            "DATABASE_URL": database_url,
            "LOG_LEVEL": "warning",
            "RATE_LIMITS": "off",
            "SECRET_KEY": SECRET_KEY,
            "WEB_CONCURRENCY": str(WORKERS),
            # bin/start takes the first python3.
            "PATH": f"{python.parent}:{os.environ['PATH']}",
            "VIRTUAL_ENV": str(python.parent.parent),
        }

    return Peer(
        name,
        (str(folder / "bin" / "start"),),
        environment,
        ROWS,
        _argon2,
        ready="/livez",
        folder=folder,
        python=python,
        is_service=True,
    )


def checkout(folder: Path) -> Peer:
    """Another release of the service, for example from `git worktree add FOLDER COMMIT`.

    Raises CheckoutError where a server started there would import the service from elsewhere.
    """
    folder = folder.resolve()
    if not (folder / "bin" / "start").exists():
        raise CheckoutError(f"{folder} has no bin/start: give a checkout of this service")
    peer = service(folder, _release(folder))
    command = [str(peer.python), "-c", "import service; print(service.__path__[0])"]
    options = {"cwd": folder, "capture_output": True, "text": True, "timeout": 60}
    found = subprocess.run(command, check=False, **options)  # type: ignore[call-overload]  # keywords by name
    if Path(found.stdout.strip()) != folder / "service":
        raise CheckoutError(f"{folder} would run {found.stdout.strip() or found.stderr.strip()}")
    return peer


def _release(folder: Path) -> str:
    """The commit's short name, with the folder's where changes are not committed."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=7"]
    found = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    name = found.stdout.strip()
    return name if name and not name.endswith("-dirty") else folder.name


def _twin(database_url: str) -> dict[str, str]:
    # The driver that the Flask application used; SQLAlchemy 2.1 would take psycopg 3.
    url = database_url.replace("postgresql://", "postgresql+psycopg2://", 1)
    return {"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY}


def _alone(database_url: str) -> dict[str, str]:
    return {"DATABASE_URL": database_url}


OURS = service()
FLASK = Peer(
    "flask", (*GUNICORN, "bench.peers.flask_books:create_app()"), _twin, (*PAGES, ADD_BY_PAGE)
)
# The same with threads and keep-alive: what a Flask application gains without being rewritten.
FLASK_THREADS = Peer(
    "flask-threads",
    (*FLASK.start, "--worker-class", "gthread", "--threads", "4"),
    _twin,
    FLASK.rows,
)

# What frameworks of the same kind take for the API's list, and what is left without any.
_ASYNC = (*GUNICORN, "--worker-class", "bench.peers.worker.PlainWorker")
FASTAPI = Peer("fastapi", (*_ASYNC, "bench.peers.fastapi_books:create_app()"), _alone, API)
ASGI = Peer(
    "asgi",
    (*_ASYNC, "bench.peers.asgi_books:create_app()"),
    _alone,
    (*API, ADD_BY_API, ADD_BY_ONE),
)

PEERS = {peer.name: peer for peer in (FLASK, FLASK_THREADS, FASTAPI, ASGI)}
