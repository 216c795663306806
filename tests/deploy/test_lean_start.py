"""A start does no more than the first answer needs: its length, held without a clock."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.deploy.blueprints import ROOT
from tests.deploy.instances import instance
from tests.live.sockets import ask

# Each with its own: what it is for is not asked for by the first person who comes.
NOT_FOR_THE_FIRST_PAGE = {
    "aiosqlite",  # another database than the one that is used
    "alembic",  # at head, there is nothing to migrate
    "argon2",  # nobody has typed a password
    "email_validator",
    "h2.events",
    "hypercorn.asyncio.run",  # another server than the one that serves
    "opentelemetry",
    "prometheus_client",
    "service.cli.backup.format",
    "service.cli.checks",
    "service.cli.maintenance",
    "sqlalchemy.dialects.sqlite",
    "sqlite3",
    "wsproto",
}

# Of a process that has opened no database.
NOT_FOR_AN_APPLICATION_ON_SQLITE = {
    "asyncpg",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.ext.asyncio",
    "sqlalchemy.orm",
}

MADE = """
import sys
from service.app import create_app
create_app()
print(*sys.modules)
"""

CONFIGURED = """
import gc, runpy
frozen = gc.get_freeze_count()  # Python 3.12 freezes some objects of its own
settings = runpy.run_path("gunicorn.conf.py")
print(gc.isenabled(), gc.get_freeze_count() > frozen + 1000)
settings["pre_fork"](None, None)
print(gc.isenabled(), gc.get_freeze_count() > frozen + 1000)
"""


async def test_imports(migrated_postgresql: str, variables: dict[str, str], tmp_path: Path) -> None:
    missing = {name for name in NOT_FOR_THE_FIRST_PAGE if find_spec(name) is None}
    assert not missing, "what is not to be had cannot be imported either"
    more = {"DATABASE_URL": migrated_postgresql, "PYTHONPROFILEIMPORTTIME": "1"}
    with instance(variables | more, tmp_path / "log") as it:
        it.wait()
        assert (await ask(it.url, "GET", "/login")).status == 200
        assert it.stop() == 0
    imported = set(re.findall(r"^import time:.*\| +([\w.]+)$", it.log(), re.M))
    assert "asyncpg" in imported
    assert imported & NOT_FOR_THE_FIRST_PAGE == set()


def test_imports_of_an_application(variables: dict[str, str], sqlite_url: str) -> None:
    """SQLAlchemy's ORM comes with its asyncio engine, which is made when serving starts."""
    done = subprocess.run(
        [sys.executable, "-c", MADE],
        cwd=ROOT,
        env=variables | {"DATABASE_URL": sqlite_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    imported = set(done.stdout.split())
    assert "sqlalchemy" in imported
    assert imported & NOT_FOR_AN_APPLICATION_ON_SQLITE == set()


def test_garbage_is_for_workers(variables: dict[str, str], sqlite_url: str) -> None:
    """While the application is imported, nobody looks for any; nor ever for the master's."""
    done = subprocess.run(
        [sys.executable, "-c", CONFIGURED],
        cwd=ROOT,
        env=variables | {"DATABASE_URL": sqlite_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines() == ["False False", "True True"]


@pytest.mark.parametrize("given", [None, "65536", ""])
def test_memory_of_hashing_is_given_back(
    variables: dict[str, str], sqlite_url: str, tmp_path: Path, given: str | None
) -> None:
    """glibc is told so, unless an operator tells it something else."""
    own = {} if given is None else {"MALLOC_MMAP_THRESHOLD_": given}
    with instance(variables | {"DATABASE_URL": sqlite_url} | own, tmp_path / "log") as it:
        it.wait()
        environment = Path(f"/proc/{it.pid}/environ").read_bytes().split(b"\0")
    expected = "1048576" if given is None else given
    assert f"MALLOC_MMAP_THRESHOLD_={expected}".encode() in environment
