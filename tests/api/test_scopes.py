"""Each scope with every operation: found by walking the routes, so that a new one is covered."""

import re
from typing import Any

import pytest
from quart import Quart

from service.users.forms import SCOPES
from tests.api.programs import Program, add_program, problem
from tests.people import Person

# What each operation must ask of a token; "" is satisfied by any, None is open to everybody.
EXPECTED: dict[str, str | None] = {
    "POST /users": None,
    "POST /tokens": None,
    "GET /me": "account:read",
    "PATCH /me": "account:write",
    "GET /tokens": "account:read",
    "GET /tokens/<id>": "account:read",
    "DELETE /tokens/<id>": "account:write",
    "DELETE /tokens/current": "",
    "GET /sessions": "account:read",
    "DELETE /sessions/<id>": "account:write",
    "GET /books": "books:read",
    "POST /books": "books:write",
    "GET /books/<id>": "books:read",
    "PUT /books/<id>": "books:write",
    "PATCH /books/<id>": "books:write",
    "DELETE /books/<id>": "books:write",
    "POST /books/batch": "books:write",
    "DELETE /me": "account:write",  # the last: nothing of Alice is there afterwards
}


def operations(app: Quart) -> dict[str, Any]:
    """What each operation declares, by method and address."""
    found = {}
    for rule in app.url_map.iter_rules():
        declared = getattr(app.view_functions[rule.endpoint], "operation", None)
        if declared is not None:
            path = re.sub("<id:[a-z_]+>", "<id>", rule.rule.removeprefix("/api/v1"))
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                found[f"{method} {path}"] = declared
    return found


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_all_are_here(app: Quart) -> None:
    """A new operation has to be written down here."""
    found = {name: it.scope for name, it in operations(app).items()}
    public_reads = [name for name, it in found.items() if name.startswith("GET ") and it is None]
    assert set(public_reads) <= {"GET /openapi.json"}
    assert {name: it for name, it in found.items() if name not in public_reads} == EXPECTED


@pytest.mark.parametrize("held", SCOPES)
async def test_scope(app: Quart, alice: Person, stranger: Program, held: Any) -> None:
    """A token may do what its scope says, and is told which scope it lacks for the rest."""
    for name, needed in EXPECTED.items():
        if needed is None:
            continue
        program = await add_program(app, alice.id, [held])
        method, _, path = name.partition(" ")
        address = f"/api/v1{path.replace('<id>', '4711')}"
        body: Any = {} if method in ("POST", "PUT", "PATCH") else None
        response = await program.call(method, address, body)
        if needed not in ("", held):
            found = await problem(response, 403, "INSUFFICIENT_SCOPE")
            assert needed in found["detail"]
            challenge = f'Bearer error="insufficient_scope", scope="{needed}"'
            assert response.headers["WWW-Authenticate"] == challenge
        elif name == "PATCH /me":
            await problem(response, 403, "INSUFFICIENT_SCOPE")
        else:
            assert response.status_code in (200, 204, 404, 422), name
        unknown = await stranger.call(method, address, body)
        await problem(unknown, 401, "NOT_AUTHENTICATED")


async def test_several_scopes(app: Quart, alice: Person) -> None:
    reader = await add_program(app, alice.id, ["books:read", "account:read"])
    for path, status in (("/books", 200), ("/me", 200), ("/tokens", 200), ("/sessions", 200)):
        assert (await reader.get(f"/api/v1{path}")).status_code == status
    await problem(await reader.post("/api/v1/books", {}), 403, "INSUFFICIENT_SCOPE")
    await problem(await reader.delete("/api/v1/me"), 403, "INSUFFICIENT_SCOPE")
