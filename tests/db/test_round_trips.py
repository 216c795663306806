"""How often each page and each operation of the API waits for PostgreSQL."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from quart import Quart

from service.books import rules
from service.models import sessions_table
from service.security.tokens import new_token
from service.web.submissions import FIELD
from tests.api.programs import A_BOOK, add_program, at_rest
from tests.books.forms import a_book
from tests.page_forms import filled_in
from tests.people import ORIGIN, PASSWORD, add_person, execute, rows
from tests.statements import EMPTY
from tests.tokens.token_forms import a_token, has_tokens
from tests.web.test_routes import routes
from tests.wire import FORM, send

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
METRICS_TOKEN = "0123456789abcdef"

# BEGIN, COMMIT and each statement of an ordinary request that is granted. The person is signed in,
# except in SIGNED_OUT. A moment ago their token was used and their list was counted.
ROUND_TRIPS = {
    "GET /metrics": 0,
    "GET /livez": 0,
    "GET /readyz": 1,
    "GET /status": 3,
    "GET /favicon.ico": 0,
    "GET /": 1,
    "GET /register": 0,
    "POST /register": 7,
    "GET /login": 0,
    "POST /login": 10,
    "GET /logout": 1,
    "POST /logout": 1,
    "GET /profile": 1,
    "GET /.well-known/change-password": 0,
    "GET /profile/password": 1,
    "POST /profile/password": 17,
    "GET /profile/email": 1,
    "POST /profile/email": 15,
    "GET /profile/tokens": 2,
    "POST /profile/tokens": 12,
    "GET /profile/tokens/<id:token_id>/revoke": 2,
    "POST /profile/tokens/<id:token_id>/revoke": 3,
    "GET /books/": 2,
    "GET /books/add": 1,
    "POST /books/add": 6,
    "GET /books/<id:book_id>/edit": 2,
    "POST /books/<id:book_id>/edit": 6,
    "GET /books/<id:book_id>/delete": 2,
    "POST /books/<id:book_id>/delete": 6,
    "POST /api/v1/users": 2,
    "GET /api/v1/me": 1,
    "PATCH /api/v1/me": 17,
    "DELETE /api/v1/me": 7,
    "POST /api/v1/tokens": 10,
    "GET /api/v1/tokens": 2,
    "GET /api/v1/tokens/<id:token_id>": 2,
    "DELETE /api/v1/tokens/<id:token_id>": 6,
    "DELETE /api/v1/tokens/current": 6,
    "GET /api/v1/sessions": 2,
    "DELETE /api/v1/sessions/<id:session_id>": 6,
    "GET /api/v1/books": 2,
    "POST /api/v1/books": 3,
    "GET /api/v1/books/<id:book_id>": 2,
    "PUT /api/v1/books/<id:book_id>": 7,
    "PATCH /api/v1/books/<id:book_id>": 7,
    "DELETE /api/v1/books/<id:book_id>": 7,
    "POST /api/v1/books/batch": 8,
    "GET /api/v1/openapi.json": 0,
    "GET /api/docs": 1,
}
SIGNED_OUT = {"GET /register", "POST /register", "GET /login", "POST /login"}
EMAIL, NEW_EMAIL = "alice@example.com", "carol@example.com"
NEW_PASSWORD = "two kettles and a map"
A_TOKEN = {"name": "Backup", "scopes": ["books:read"], "expires_in": 3600}
BODIES: dict[str, Mapping[str, Any]] = {
    "POST /register": {"email": NEW_EMAIL, "password": PASSWORD, "confirm": PASSWORD},
    "POST /login": {"email": EMAIL, "password": PASSWORD},
    "POST /profile/password": {
        "current_password": PASSWORD,
        "password": NEW_PASSWORD,
        "confirm": NEW_PASSWORD,
    },
    "POST /profile/email": {"email": NEW_EMAIL, "current_password": PASSWORD},
    "POST /profile/tokens": a_token(),
    "POST /books/add": a_book(),
    "POST /books/<id:book_id>/edit": a_book(),
    "POST /api/v1/users": {"email": NEW_EMAIL, "password": PASSWORD},
    "PATCH /api/v1/me": {"current_password": PASSWORD, "password": NEW_PASSWORD},
    "POST /api/v1/tokens": {"email": EMAIL, "password": PASSWORD, **A_TOKEN},
    "POST /api/v1/books": A_BOOK,
    "PUT /api/v1/books/<id:book_id>": A_BOOK,
    "PATCH /api/v1/books/<id:book_id>": {"rating": 4},
    "POST /api/v1/books/batch": {"operations": [{"op": "create", "book": A_BOOK}] * 2},
}


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """With what there is on request only, so that every route is there."""
    return environment | {"METRICS_TOKEN": METRICS_TOKEN}


@on_postgresql
async def test_round_trips(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new route needs a line in ROUND_TRIPS. The statements of a wrong count are shown."""
    monkeypatch.setattr(rules, "COUNTED_EVERY", math.inf)
    found: dict[str, list[str]] = {}
    for rule, view in routes(app):
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            name = f"{method} {rule.rule}"
            found[name] = await statements_of(app, name, getattr(view, "operation", None))
    assert not {name: it for name, it in found.items() if len(it) != ROUND_TRIPS.get(name)}
    assert found.keys() == ROUND_TRIPS.keys()


async def statements_of(app: Quart, name: str, operation: Any) -> list[str]:
    """The statements of one request."""
    await execute(app, EMPTY)
    rules._rooms.clear()
    alice = await add_person(app, EMAIL)
    program = await add_program(app, alice.id)
    [token_id] = await has_tokens(app, alice, "Backup")
    [(session_id,)] = await rows(app, sessions_table.c.id)
    [book_id] = await program.adds("Emma")
    ids = {"book_id": book_id, "token_id": token_id, "session_id": session_id}
    method, _, route = name.partition(" ")
    headers = [("Origin", ORIGIN)]
    if route == "/metrics":
        headers.append(("Authorization", f"Bearer {METRICS_TOKEN}"))
    elif operation and operation.scope is not None and not operation.session_only:
        headers.append(("Authorization", f"Bearer {program.token}"))
    elif name not in SIGNED_OUT:
        headers.append(("Cookie", f"readlog-session={alice.cookie()}"))
    body: Mapping[str, Any] = BODIES.get(name, {})
    if operation:
        headers += [("Content-Type", "application/json")] if body else []
        sent = json.dumps(body).encode() if body else b""
    else:
        headers.append(("Content-Type", FORM))
        sent = urlencode({**body, FIELD: new_token()}, doseq=True).encode()
    await at_rest(app)
    with counting(app) as statements:
        answer = await send(app, method, filled_in(route, ids), headers=headers, body=sent)
        await at_rest(app)
    assert answer.status < 400, (name, answer.text)
    return statements


@contextmanager
def counting(app: Quart) -> Iterator[list[str]]:
    """Every statement that is sent in the block, BEGIN and COMMIT too."""
    statements: list[str] = []

    @contextmanager
    def observe(statement: str) -> Iterator[None]:
        statements.append(statement)
        yield

    pool = app.extensions["database"].pool
    pool.observer = observe
    yield statements
    pool.observer = None
