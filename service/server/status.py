"""The probes /livez and /readyz for platforms, the page /status for people, and the icon."""

import asyncio

from quart import Blueprint, Response, send_from_directory
from sqlalchemy import Executable, text

from service import db, migrations
from service.auth import current_user, public
from service.db.statements import Statement
from service.exceptions import DatabaseUnavailableError
from service.limits.rules import unlimited
from service.server import readiness
from service.web import pages
from service.web.context import get_settings
from service.web.errors import note_failure

READY_TIMEOUT = 1.5  # seconds; /readyz promises an answer within 2 s

blueprint = Blueprint("status", __name__)

_TABLE_NAMES = {
    "postgresql": text(
        "SELECT to_regclass('users') IS NOT NULL AS users,"
        " to_regclass('books') IS NOT NULL AS books"
    ),
    "sqlite": text(
        "SELECT count(*) FILTER (WHERE name = 'users') AS users,"
        " count(*) FILTER (WHERE name = 'books') AS books"
        " FROM sqlite_master WHERE type = 'table'"
    ),
}


def _has_tables(dialect: str) -> Executable:
    return _TABLE_NAMES[dialect]


_HAS_TABLES = Statement(_has_tables, lambda users, books: (bool(users), bool(books)))


@blueprint.get("/livez")
@public
@unlimited("a probe, touches nothing")
async def livez() -> Response:
    """Answer 200: the process works. The database is not checked."""
    return _probe("ok", 200)


@blueprint.get("/readyz")
@public
@unlimited("a probe, one statement; the trial beside it runs once in some seconds at most")
async def readyz() -> Response:
    """Answer 200 if the database answers in time and meets the service's needs, else 503."""
    try:
        await _check_in_time()
    except DatabaseUnavailableError as error:
        note_failure(error)
        return _probe("unavailable", 503)
    return _probe("ok", 200)


@blueprint.get("/status")
@public
@unlimited("at most three small statements")
async def status() -> Response:
    """Show release, configuration and schema, without a secret or an address."""
    settings = get_settings()
    async with db.read() as connection:
        has_users, has_books = await _HAS_TABLES.one(connection)
        revision = await migrations.read_revision(connection)
    await current_user()
    head = migrations.head()
    checks = [
        ("Web application", "Active", True),
        ("Configuration type", settings.config_type, None),
        ("Database initialized", _yes(revision is not None), revision is not None),
        ("Table users created", _yes(has_users), has_users),
        ("Table books created", _yes(has_books), has_books),
        ("Schema revision", revision or "none", revision == head),
        ("Release", settings.release or "not told", None),
    ]
    return pages.render("status.html", section="status", checks=checks)


@blueprint.get("/favicon.ico")
@public
@unlimited("a static file")
async def favicon() -> Response:
    """Answer with the icon, which browsers request at this address by default."""
    return await send_from_directory(pages.STATIC_FOLDER, "favicon.ico")


async def _check_in_time() -> None:
    try:
        async with asyncio.timeout(READY_TIMEOUT):
            await readiness.check()
    except TimeoutError as error:
        raise DatabaseUnavailableError from error


def _probe(state: str, code: int) -> Response:
    response = Response(f'{{"status":"{state}"}}', code, content_type="application/json")
    if code == 503:
        response.headers["Retry-After"] = "2"
    return response


def _yes(value: object) -> str:
    return "Yes" if value else "No"
