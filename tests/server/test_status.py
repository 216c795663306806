"""GET /livez, /readyz and /status"""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from quart import Quart
from sqlalchemy import Pool, event

from service import migrations
from tests.etags import FORMS, OTHERS
from tests.markup import parse
from tests.people import Browser, Person
from tests.statements import observed
from tests.wire import send

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_probe(app: Quart, path: str) -> None:
    answer = await send(app, target=path)
    assert (answer.status, answer.body) == (200, b'{"status":"ok"}')
    assert answer.one("content-type") == "application/json"
    assert answer.one("cache-control") == "no-store"


async def test_livez_asks_no_database(app: Quart, alice: Person) -> None:
    """Not even whose cookie it is: a database that is down must not have the process restarted."""
    statements: list[str] = []
    with observed(app, statements.append):
        assert (await alice.get("/livez")).status_code == 200
        assert statements == []
        assert (await alice.get("/readyz")).status_code == 200
        assert statements[:1] == ["SELECT 1"]


@on_sqlite
async def test_readyz_is_bounded(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that says nothing at all is as good as none."""

    @asynccontextmanager
    async def silent() -> Any:
        await asyncio.sleep(3600)
        yield

    monkeypatch.setattr("service.server.status.READY_TIMEOUT", 0.05)
    monkeypatch.setattr("service.server.status.db.read", silent)
    answer = await send(app, target="/readyz")
    assert (answer.status, answer.body) == (503, b'{"status":"unavailable"}')
    assert answer.one("retry-after") == "2"


@on_sqlite
async def test_readyz_bound_is_the_contracts(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds are promised; what it waits for leaves some of them for the way."""
    bounds: list[float] = []

    def bounded(seconds: float) -> asyncio.Timeout:
        bounds.append(seconds)
        return asyncio.timeout(seconds)

    own = SimpleNamespace(**vars(asyncio) | {"timeout": bounded})
    monkeypatch.setattr("service.server.status.asyncio", own)
    assert (await send(app, target="/readyz")).status == 200
    assert bounds
    assert sum(bounds) < 2


async def test_status(app: Quart, nobody: Browser) -> None:
    """What the Flask application's page showed, the schema's revision and the release."""
    page = await parse(await nobody.get("/status"))
    shown = dict(zip(page.cells[2::2], page.cells[3::2], strict=True))
    assert shown == {
        "Web application": "✓ Active",
        "Configuration type": "testing",
        "Database initialized": "✓ Yes",
        "Table users created": "✓ Yes",
        "Table books created": "✓ Yes",
        "Schema revision": f"✓ {migrations.head()}",
        "Release": "not told",
    }


async def test_status_signed_in(alice: Person) -> None:
    assert "Logout" in await alice.page("/status")


async def test_status_tells_no_address(app: Quart, nobody: Browser) -> None:
    """Open to everybody, so without host, user, path or password of the database."""
    source = (await parse(await nobody.get("/status"))).source
    database = app.extensions["settings"].database
    for secret in (database.display, str(database.url), "127.0.0.1", "app.db", "postgresql"):
        assert secret not in source


async def test_status_opens_no_connection(nobody: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is asked, it uses the pool's."""
    opened: list[object] = []
    await nobody.get("/status")
    event.listen(Pool, "connect", lambda *args: opened.append(args))
    connect = asyncpg.connect

    def note(*args: Any, **options: Any) -> Any:
        opened.append(options)
        return connect(*args, **options)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(asyncpg, "connect", note)
    for _ in range(5):
        assert (await nobody.get("/status")).status_code == 200
    assert opened == []


class TestRelease:
    """Where the platform says which commit runs."""

    @pytest.fixture
    def environment(self, database_url: str) -> dict[str, str]:
        commit = "0123456789abcdef0123456789abcdef01234567"
        return {
            "CONFIG_TYPE": "testing",
            "DATABASE_URL": database_url,
            "RENDER_GIT_COMMIT": commit,
        }

    @on_sqlite
    async def test_release(self, nobody: Browser) -> None:
        assert "Release 0123456" in await nobody.page("/status")


@on_sqlite
@pytest.mark.parametrize("path", ["/favicon.ico", "/static/favicon.svg", "/static/app.css"])
async def test_files(app: Quart, path: str) -> None:
    answer = await send(app, target=path)
    assert answer.status == 200
    assert len(answer.body) > 100


@on_sqlite
@pytest.mark.parametrize("path", ["/favicon.ico", "/static/app.css"])
async def test_files_through_a_proxy(app: Quart, path: str) -> None:
    """An ETag that a proxy has changed is known again: the file is not sent a second time."""
    etag = (await send(app, target=path)).one("ETag")
    for name, form in FORMS.items():
        answer = await send(app, target=path, headers=[("If-None-Match", form(etag))])
        assert (answer.status, answer.body, answer.one("ETag")) == (304, b"", etag), name
    for name, other in OTHERS.items():
        answer = await send(app, target=path, headers=[("If-None-Match", other(etag))])
        assert answer.status == 200, name
