"""How refusals and failures are told: as a page of the same design, or as problem+json."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from quart import Quart
from werkzeug.exceptions import Conflict, ImATeapot

from service.app import create_app
from service.config import Settings
from service.exceptions import (
    ConflictError,
    CrossSiteError,
    DatabaseUnavailableError,
    FieldError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    ServiceError,
    TooManyRequestsError,
)
from service.idempotency import StillRunningError
from tests.people import Browser, Person, text_of
from tests.wire import FORM, Answer, send

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SECRETS = ("Traceback", "RuntimeError", "SELECT", "/srv/", "/service/", ".py", "hunter2", "line 1")
VERSIONS = ("quart", "werkzeug", "python", "hypercorn", "uvicorn", "gunicorn", "sqlalchemy")

RAISED: dict[str, tuple[Exception, int, str]] = {
    "refused": (ServiceError("No."), 400, "REFUSED"),
    "cross": (CrossSiteError("No."), 403, "CROSS_SITE"),
    "missing": (NotFoundError("No."), 404, "NOT_FOUND"),
    "conflict": (ConflictError("No."), 409, "CONFLICT"),
    "still-running": (StillRunningError(), 409, "STILL_RUNNING"),
    "http-conflict": (Conflict(), 409, "CONFLICT"),
    "teapot": (ImATeapot(), 418, "IM_A_TEAPOT"),
    "invalid": (
        InvalidInputError(FieldError("title", "Enter a title.", "missing")),
        422,
        "INVALID_INPUT",
    ),
    "too-many": (TooManyRequestsError(12.2), 429, "TOO_MANY_REQUESTS"),
    "bug": (RuntimeError("SELECT secret FROM /srv/readlog/app.py"), 500, "INTERNAL_SERVER_ERROR"),
    "recursion": (RecursionError("RuntimeError"), 500, "INTERNAL_SERVER_ERROR"),
    "overloaded": (OverloadedError("No.", 2), 503, "OVERLOADED"),
    "no-database": (DatabaseUnavailableError(), 503, "DATABASE_UNAVAILABLE"),
}


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Quart]:
    """The application, with views that fail in every way, as pages and in the API."""
    app = create_app(settings)

    async def fail(kind: str) -> str:
        raise RAISED[kind][0]

    app.add_url_rule("/fail/<kind>", "fail_page", fail)
    app.add_url_rule("/api/v1/fail/<kind>", "fail_api", fail)
    async with app.test_app():
        yield app


def check_nothing_leaks(text: str) -> None:
    for secret in SECRETS:
        assert secret not in text
    for name in VERSIONS:
        assert name not in text.lower()


@on_sqlite
@pytest.mark.parametrize("kind", RAISED)
async def test_page(app: Quart, nobody: Browser, kind: str) -> None:
    """Title, what happened, a way on and the request's id; nothing of the inside."""
    _, status, _ = RAISED[kind]
    response = await nobody.get(f"/fail/{kind}")
    assert response.status_code == status
    assert response.content_type == "text/html; charset=utf-8"
    source = await response.get_data(as_text=True)
    text = await text_of(response)
    assert f"Error {status}" in text
    assert '<main id="content"' in source
    assert "<nav" in source
    assert 'href="/"' in source
    assert response.headers["X-Request-ID"] in text
    check_nothing_leaks(source)


@on_sqlite
@pytest.mark.parametrize("kind", RAISED)
async def test_problem(app: Quart, nobody: Browser, kind: str) -> None:
    """Under /api/ the same as RFC 9457 has it, with a code that does not change."""
    _, status, code = RAISED[kind]
    response = await nobody.get(f"/api/v1/fail/{kind}", headers={"Accept": "text/html"})
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    body = await response.get_data(as_text=True)
    problem = json.loads(body)
    assert problem["type"]
    assert problem["title"]
    assert isinstance(problem["detail"], str)
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["request_id"] == response.headers["X-Request-ID"]
    errors = [{"field": "title", "message": "Enter a title.", "code": "missing"}]
    assert problem.get("errors") == (errors if kind == "invalid" else None)
    check_nothing_leaks(body)


@on_sqlite
@pytest.mark.parametrize("prefix", ["", "/api/v1"])
@pytest.mark.parametrize("kind", RAISED)
async def test_log(
    nobody: Browser, caplog: pytest.LogCaptureFixture, prefix: str, kind: str
) -> None:
    """What is the service's fault is logged for its operator, and what is a client's is not."""
    _, status, _ = RAISED[kind]
    await nobody.get(f"{prefix}/fail/{kind}")
    assert caplog.records
    level = {500: logging.ERROR, 503: logging.WARNING}.get(status)
    told = [it.levelno for it in caplog.records if it.levelno > logging.INFO]
    assert told == ([] if level is None else [level])


@on_sqlite
@pytest.mark.parametrize("prefix", ["", "/api/v1"])
@pytest.mark.parametrize(
    ("kind", "seconds"), [("too-many", "13"), ("overloaded", "2"), ("no-database", "2")]
)
async def test_retry_after(nobody: Browser, prefix: str, kind: str, seconds: str) -> None:
    response = await nobody.get(f"{prefix}/fail/{kind}")
    assert response.headers["Retry-After"] == seconds
    if not prefix:
        assert f"Please try again in {seconds} seconds." in await text_of(response)


@pytest.mark.parametrize(
    ("wait", "told"),
    [
        *((-5, 1), (0, 1), (0.1, 1), (1, 1), (1.01, 2), (1.5, 2), (2, 2), (2.5, 3), (3, 3)),
        *((1.9999999, 2), (2.0000001, 2), (2.001, 3), (29.7, 30), (30.0, 30), (59.5, 60)),
        (1795724401.7 + 30 - 1795724401.7, 30),
    ],
)
def test_retry_after_is_whole_seconds(wait: float, told: int) -> None:
    """Rounded up: whoever comes back then is not turned away again, nor waits for nothing."""
    retry_after = OverloadedError("No.", wait).retry_after
    assert isinstance(retry_after, int)
    assert retry_after == told


MET: list[tuple[int, str, str, list[tuple[str, str]], bytes]] = [
    (400, "POST", "/login", [], b"email=%FF"),
    (403, "POST", "/login", [("Origin", "https://evil.example")], b""),
    (404, "GET", "/nowhere", [], b""),
    (404, "GET", "/static/nothing", [], b""),
    (405, "DELETE", "/login", [], b""),
    (413, "POST", "/login", [], b"a" * 70_000),
    (414, "GET", "/" + "a" * 9000, [], b""),
    (415, "POST", "/login", [("Content-Type", "text/xml")], b"<x/>"),
    (431, "GET", "/", [("X-Long", "a" * 40_000)], b""),
]


async def meet(app: Quart, case: tuple[int, str, str, list[tuple[str, str]], bytes]) -> Answer:
    _, method, path, headers, body = case
    given = {name for name, _ in headers}
    own = [("Origin", "http://localhost"), ("Content-Type", FORM)]
    sent = [*headers, *(item for item in own if item[0] not in given)]
    return await send(app, method, path, headers=sent, body=body)


@on_sqlite
@pytest.mark.parametrize("case", MET, ids=lambda case: f"{case[0]} {case[1]} {case[2][:15]}")
async def test_met_by_people(app: Quart, case: Any) -> None:
    """Errors that come from outside every view look like all others."""
    answer = await meet(app, case)
    assert answer.status == case[0]
    assert answer.one("content-type") == "text/html; charset=utf-8"
    assert f"Error {case[0]}" in answer.text
    assert answer.one("x-request-id") in answer.text
    check_nothing_leaks(answer.text)


@on_sqlite
@pytest.mark.parametrize(
    "case",
    [case for case in MET if not case[4]],
    ids=lambda case: f"{case[0]} {case[1]} {case[2][:15]}",
)
async def test_met_by_programs(app: Quart, case: Any) -> None:
    """So they do to programs."""
    status, method, path, headers, body = case
    answer = await meet(app, (status, method, f"/api/v1{path}", headers, body))
    assert answer.status == (404 if status == 405 else status)
    problem = json.loads(answer.text)
    assert answer.one("content-type") == "application/problem+json"
    assert problem["status"] == answer.status
    assert problem["code"].isupper()


@on_sqlite
async def test_validation_page(alice: Person) -> None:
    """A link with a wrong place in the list is told like every error."""
    response = await alice.get("/books/?after=nothing")
    assert response.status_code == 422
    assert "Error 422" in await text_of(response)


@on_sqlite
async def test_signed_in_page_leads_back(alice: Person) -> None:
    """Whoever is signed in sees it, and gets back to the list, when a book is not there."""
    page = await alice.page("/books/4711/edit")
    assert "Back to your books" in page
    assert "Logout" in page


@on_sqlite
async def test_failed_write_keeps_nothing(
    app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails half-way is undone, and says so without a trace."""

    async def fail(*_: object) -> None:
        raise RuntimeError("after the row was written")

    monkeypatch.setattr("service.users.routes.sign_in", fail)
    form = {
        "email": "carol@example.com",
        "password": "correct horse b",
        "confirm": "correct horse b",
    }
    nobody = Browser(app)
    response = await nobody.post("/register", form)
    assert response.status_code == 500
    check_nothing_leaks(await response.get_data(as_text=True))
    monkeypatch.undo()
    assert (await nobody.post("/register", form)).status_code == 303
