"""A database whose language is Turkish: there lower('I') is no i, but a letter without a dot."""

import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from tests.migrations.databases import Database
from tests.servers import postgresql

NAME = "tr_TR.UTF-8"
WAYS = (
    "LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR' ENCODING 'UTF8'",
    f"LOCALE_PROVIDER libc LOCALE '{NAME}' ENCODING 'UTF8'",
    f"LOCALE '{NAME}' ENCODING 'UTF8'",
)


@contextmanager
def turkish_database(server: str) -> Iterator[Database]:
    """Of this server, or else of one that gets the locale; skips the test where none can."""
    if (database := _create(server)) is not None:
        yield database
        Database(server).run_alone(f"DROP DATABASE {database.name} WITH (FORCE)")
        return
    folder = Path(tempfile.mkdtemp(prefix="readlog-locales-", dir="/tmp"))
    try:
        folder.chmod(0o755)  # the server may run as another user
        _compile(folder)
        with postgresql(folder) as own:
            database = _create(own)
            if database is None:
                pytest.skip("this PostgreSQL has no Turkish locale, nor ICU")
            yield database
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _create(server: str) -> Database | None:
    name = f"turkish_{secrets.token_hex(6)}"
    for way in WAYS:
        try:
            Database(server).run_alone(f"CREATE DATABASE {name} TEMPLATE template0 {way}")
        except DBAPIError:
            continue
        url = make_url(server).set(database=name).render_as_string(hide_password=False)
        database = Database(url)
        assert database.value("SELECT lower('I')") == "ı"
        return database
    return None


def _compile(folder: Path) -> None:
    command = ["localedef", "-i", "tr_TR", "-f", "UTF-8", str(folder / NAME)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no Turkish locale can be made here (Debian: apt install locales)")
