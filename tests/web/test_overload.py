"""Requests are refused before any work, while they would wait too long for the database."""

import json

import pytest
from quart import Quart

from service.web.overload import LONGEST_WAIT
from tests.people import Person
from tests.statements import observed


@pytest.fixture
def busy(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request would wait a little longer than is allowed."""
    queue = alice.app.extensions["database"].pool.queue
    monkeypatch.setattr(queue, "waiting", 1)
    monkeypatch.setattr(queue, "_mean", 1.01 * LONGEST_WAIT * queue.size)


@pytest.mark.usefixtures("busy")
async def test_page_is_refused(app: Quart, alice: Person) -> None:
    """With a page of ours, and without a statement."""
    statements: list[str] = []
    with observed(app, statements.append):
        for response in (await alice.get("/books/"), await alice.post("/books/add")):
            page = await response.get_data(as_text=True)
            assert response.status_code == 503
            assert response.headers["Retry-After"] == "2"
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["Content-Type"] == "text/html; charset=utf-8"
            assert "try again in 2 seconds" in page
            assert response.headers["X-Request-ID"] in page
    assert statements == []


@pytest.mark.usefixtures("busy")
async def test_program_is_refused(app: Quart) -> None:
    client = app.test_client()
    response = await client.get(
        "/api/v1/me", headers={"Authorization": "Bearer rl_x", "X-Request-ID": "an-id-of-mine"}
    )
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "2"
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = json.loads(await response.get_data())
    assert problem["code"] == "OVERLOADED"
    assert problem["request_id"] == "an-id-of-mine"


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("path", ["/", "/login", "/livez", "/static/app.css", "/api/docs"])
async def test_let_through(app: Quart, path: str) -> None:
    """No connection to the database is needed for these."""
    assert (await app.test_client().get(path)).status_code == 200


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("path", ["/livez", "/readyz", "/favicon.ico", "/static/app.css"])
async def test_let_through_with_a_cookie(alice: Person, path: str) -> None:
    assert (await alice.client.get(path)).status_code == 200


async def test_not_refused_at_the_bound(
    app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = app.extensions["database"].pool.queue
    monkeypatch.setattr(queue, "waiting", 1)
    monkeypatch.setattr(queue, "_mean", LONGEST_WAIT * queue.size)
    assert (await alice.client.get("/books/")).status_code == 200


@pytest.mark.usefixtures("busy")
async def test_told_once_a_minute(alice: Person, caplog: pytest.LogCaptureFixture) -> None:
    """One line of why, beside the line of each request."""
    for _ in range(5):
        assert (await alice.client.get("/books/")).status_code == 503
    told = [record for record in caplog.records if record.name == "service.web.errors"]
    assert [record.getMessage().partition(":")[0] for record in told] == ["OVERLOADED"]
    assert told[0].exc_info is None
