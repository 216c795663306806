"""What the service writes down of its work, and what never."""

import io
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from quart import Quart

from service.app import create_app
from service.config import Settings
from tests.books.forms import a_book
from tests.clocks import record_holds
from tests.log_output import under_gunicorn
from tests.people import PASSWORD, Browser, Person
from tests.wire import send

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
LINE = re.compile(
    r"(?P<level>[A-Z]+) +(?P<time>\S+\+00:00) (?P<logger>[\w.]+) \[(?P<id>[\w.-]+)\] (?P<rest>.*)"
)


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    with under_gunicorn() as stream:
        yield stream


@pytest.fixture
def environment(database_url: str, request: pytest.FixtureRequest) -> dict[str, str]:
    variables = {"CONFIG_TYPE": "testing", "DATABASE_URL": database_url}
    return variables | getattr(request, "param", {})


@pytest.fixture
async def app(settings: Settings, output: io.StringIO) -> AsyncIterator[Quart]:
    """The application, with one view that logs and one that fails."""
    app = create_app(settings)

    @app.get("/says")
    async def says() -> str:
        logging.getLogger("service.books").warning("something of note")
        return "said"

    @app.get("/fails")
    async def fails() -> str:
        raise RuntimeError("unforeseen\nand in two lines")

    async with app.test_app():
        yield app


def lines(output: io.StringIO) -> list[str]:
    return output.getvalue().splitlines()


def as_json(output: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(output)]


json_format = pytest.mark.parametrize("environment", [{"LOG_FORMAT": "json"}], indirect=True)


@on_sqlite
async def test_text(app: Quart, output: io.StringIO) -> None:
    """Level first, then time in UTC, logger, request id, message and fields."""
    answer = await send(app, target="/login")
    [line] = lines(output)
    match = LINE.fullmatch(line)
    assert match
    assert (match["level"], match["logger"]) == ("INFO", "service.access")
    assert match["id"] == answer.one("x-request-id")
    assert re.fullmatch(r"request method=GET path=/login status=200 ms=\d+\.\d", match["rest"])


@on_sqlite
@json_format
async def test_json(app: Quart, output: io.StringIO) -> None:
    """One object a line, with fields that programs can count on."""
    answer = await send(app, target="/login?next=/books/")
    [entry] = as_json(output)
    assert entry.pop("ms") >= 0
    assert entry.pop("time").endswith("+00:00")
    assert entry == {
        "level": "info",
        "logger": "service.access",
        "request_id": answer.one("x-request-id"),
        "message": "request",
        "method": "GET",
        "path": "/login",
        "status": 200,
    }


GOOD_IDS = ["abcdefgh", "a" * 64, "0189-ab_cd.EF", "3f1c9a52-0d1f-4a8e-8f1e-0c1d2e3f4a5b"]
BAD_IDS = [
    "",
    "short",
    "a" * 65,
    "a" * 10_000,
    "with space",
    "semi;colon",
    "ünïcödes",
    "a\tbcdefgh",
]
BAD_IDS += ["<script>alert", '"quoted"abc', "a\\nbcdefgh", "abcdefgh\r", "{{7*7}}abc", "%0a%0aabcd"]


@on_sqlite
@json_format
@pytest.mark.parametrize("given", GOOD_IDS)
async def test_request_id_of_the_client(app: Quart, output: io.StringIO, given: str) -> None:
    """The id is the same in the answer, the access line and every other line of the request."""
    answer = await send(app, target="/says", headers=[("X-Request-ID", given)])
    assert answer.one("x-request-id") == given
    entries = as_json(output)
    assert [entry["logger"] for entry in entries] == ["service.books", "service.access"]
    assert {entry["request_id"] for entry in entries} == {given}


@on_sqlite
@json_format
async def test_request_id_is_ours_otherwise(app: Quart, output: io.StringIO) -> None:
    """What could not be an id, or could break a line, is replaced by a new one each time."""
    found = []
    for given in BAD_IDS:
        # A server passes no line end on; the service does not rely on it.
        sent = [("X-Request-ID", given.replace("\r", "\x85"))]
        found.append((await send(app, target="/says", headers=sent)).one("x-request-id"))
    found.append((await send(app, target="/says")).one("x-request-id"))
    assert len(set(found)) == len(BAD_IDS) + 1
    assert all(re.fullmatch(r"[0-9a-f]{16}", identifier) for identifier in found)
    assert [entry["request_id"] for entry in as_json(output)][::2] == found


@on_sqlite
async def test_request_id_on_the_error_page(app: Quart, output: io.StringIO) -> None:
    """A person can quote what finds the lines."""
    answer = await send(app, target="/fails")
    assert answer.one("x-request-id") in answer.text
    matching = [line for line in lines(output) if f"[{answer.one('x-request-id')}]" in line]
    assert [line.split()[0] for line in matching] == ["ERROR", "INFO"]
    assert "RuntimeError: unforeseen" in output.getvalue()


@on_sqlite
@json_format
async def test_traceback_stays_in_its_line(app: Quart, output: io.StringIO) -> None:
    await send(app, target="/fails")
    [error, access] = as_json(output)
    assert error["level"] == "error"
    assert "RuntimeError: unforeseen" in error["traceback"]
    assert access["status"] == 500


@on_sqlite
@pytest.mark.parametrize("environment", [{}, {"LOG_FORMAT": "json"}], indirect=True)
@pytest.mark.parametrize(
    "path",
    [
        "/%0d%0aERROR%20forged%20line",
        "/%0aINFO%20%20%20%20forged",
        "/%E2%80%A8forged",
        "/%C2%85forged",
        "/%1b[31mforged",
        "/%00forged",
        "/a%20status=200%20forged",
        "/%22%7D%0a%7B%22level%22:%22error%22%7D",
    ],
)
async def test_no_forged_lines(
    app: Quart, output: io.StringIO, settings: Settings, path: str
) -> None:
    """An address cannot begin a line of its own, nor a field, nor colour a terminal."""
    await send(app, target=path)
    [line] = lines(output)
    assert line.isprintable()
    if settings.log_format == "json":
        assert json.loads(line)["status"] == 404
    else:
        assert line.count(" status=") == 1 or '"' in line


async def test_nothing_of_a_person(
    app: Quart, output: io.StringIO, nobody: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Addresses, passwords, tokens, cookies, titles and queries are in no line."""
    record_holds(monkeypatch)
    email, password = "carol@example.com", "an unusual passphrase"
    form = {"email": email, "password": password, "confirm": password}
    secrets = [email, "carol", password, "unusual", "wrong guess", "Middlemarch", "George Eliot"]
    await nobody.post("/register", form)
    secrets += _cookies(nobody)
    await nobody.post("/books/add", a_book())
    await nobody.post("/books/add", a_book(book_rating="secret rating"))
    await nobody.get("/books/?after=31415926")
    await nobody.get("/books/?after=private-query")
    await nobody.post("/logout")
    await nobody.get("/login?next=/books/%3Fprivate-query")
    for wrong in ("wrong guess", password):
        await nobody.post("/login?next=/private-query", {"email": email, "password": wrong})
        secrets += _cookies(nobody)
    await nobody.post("/register", form)
    await nobody.get("/profile", headers={"Authorization": "Bearer rl_private-token"})
    secrets += ["private-query", "31415926", "private-token", "secret rating", "argon2", PASSWORD]
    assert len(lines(output)) == 11
    for secret in secrets:
        assert secret not in output.getvalue(), secret


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_levels(app: Quart, output: io.StringIO) -> None:
    """Probes that come every few seconds say nothing, unless they fail."""
    await send(app, target="/livez")
    await send(app, target="/readyz")
    assert lines(output) == []
    await send(app, "POST", "/livez")
    assert "status=405" in output.getvalue()


@on_sqlite
@pytest.mark.parametrize("environment", [{"LOG_LEVEL": "warning"}], indirect=True)
async def test_level_is_the_operators_to_set(app: Quart, output: io.StringIO) -> None:
    await send(app, target="/")
    assert lines(output) == []
    await send(app, target="/says")
    assert len(lines(output)) == 1


@on_sqlite
@pytest.mark.parametrize("environment", [{"LOG_LEVEL": "debug"}], indirect=True)
async def test_debug_shows_probes(app: Quart, output: io.StringIO) -> None:
    await send(app, target="/livez")
    assert "path=/livez status=200" in output.getvalue()


async def test_signed_in_is_not_named(app: Quart, output: io.StringIO, alice: Person) -> None:
    await alice.get("/books/")
    assert "alice" not in output.getvalue()
    assert "path=/books/" in output.getvalue()


def _cookies(browser: Browser) -> list[str]:
    return [cookie.value or "" for cookie in browser.client.cookie_jar or () if cookie.value]
