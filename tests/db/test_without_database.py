"""What still works while the database does not answer, and how the rest says so."""

import pytest
from quart import Quart, Response

from tests.people import Browser, Person, text_of
from tests.servers import free_port
from tests.statements import database_away


class TestWithoutDatabase:
    """Nothing listens where the database should be."""

    @pytest.fixture
    def environment(self) -> dict[str, str]:
        url = f"postgresql://reader:hunter2@127.0.0.1:{free_port()}/books?sslmode=disable"
        return {"CONFIG_TYPE": "testing", "DATABASE_URL": url}

    async def ask(self, app: Quart, method: str, path: str) -> Response:
        browser = Browser(app)
        browser.set_cookie("some-token")
        form = {"email": "carol@example.com", "password": "correct horse battery"}
        form["confirm"] = form["password"]
        return await (browser.get(path) if method == "GET" else browser.post(path, form))

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            *(("GET", path) for path in ("/", "/books/", "/books/add", "/profile", "/status")),
            *(("POST", path) for path in ("/login", "/register", "/logout", "/books/add")),
        ],
    )
    async def test_page(self, app: Quart, method: str, path: str) -> None:
        """503 with the time to come back, and a page that needs no database itself."""
        response = await self.ask(app, method, path)
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) >= 1
        source = await response.get_data(as_text=True)
        assert "Error 503" in await text_of(response)
        assert "127.0.0.1" not in source
        for secret in ("Traceback", "hunter2", "Refused", "asyncpg", "sqlalchemy", "books?"):
            assert secret not in source

    async def test_what_needs_none(self, app: Quart, nobody: Browser) -> None:
        """The process lives, its probe says so, and files and forms still come."""
        for path in ("/livez", "/login", "/register", "/", "/static/app.css"):
            assert (await nobody.get(path)).status_code == 200

    async def test_ready(self, nobody: Browser) -> None:
        response = await nobody.get("/readyz")
        assert response.status_code == 503
        assert await response.get_json() == {"status": "unavailable"}
        assert int(response.headers["Retry-After"]) >= 1


async def test_database_goes_and_comes(app: Quart, alice: Person) -> None:
    """As soon as the database is back everything works again, without a restart."""
    async with database_away(app):
        assert (await alice.get("/books/")).status_code == 503
    assert (await alice.get("/books/")).status_code == 200
