"""What the description promises of an answer: nothing in it that no answer keeps."""

import json

from quart import Quart

from service.models import sessions_table
from tests.api.described import Caller, Described, description, encoded
from tests.api.programs import MANUAL, Program, add_program
from tests.people import PASSWORD, Person, add_person, rows
from tests.wire import Answer, send


async def test_locations(app: Quart, alice: Person, program: Program) -> None:
    """The Location of whatever is made answers GET with it."""
    found = [it for it in await description(app) if 201 in it.statuses]
    assert {it.name for it in found} >= {"register", "make_token", "add_book"}
    caller = Caller(app, alice, program)
    # First the account of the examples, which makes the rest.
    for it in sorted(found, key=lambda it: it.name != "register"):
        answer = await caller.call(it, it.path, body=encoded(it.body))
        assert answer.status == 201, it.name
        made = json.loads(answer.body)
        if it.name == "register":
            caller.program = await add_program(app, made["id"])
        sent = [("Authorization", f"Bearer {caller.program.token}")]
        there = await send(app, target=answer.one("Location"), headers=sent)
        assert there.status == 200, it.name
        told = json.loads(there.body)
        assert "id" in told
        assert {name: made[name] for name in told.keys() & made.keys()}.items() <= told.items()


async def test_headers(app: Quart) -> None:
    """Each header that a good answer is described with is one that is sent."""
    operations = await description(app)
    promised = {
        (it.name, status, name)
        for it in operations
        for status in it.statuses
        if status < 400
        for name in it.resolved(it.own["responses"][str(status)])["headers"]
    }
    assert len(promised) > 2 * len(operations)
    sent = set()
    for it in operations:
        for answer in await good_answers(app, it):
            assert answer.status < 400, (it.name, answer.body)
            sent |= {(it.name, answer.status, name) for _, _, name in promised if answer.all(name)}
    assert promised - sent == set()


async def good_answers(app: Quart, it: Described) -> list[Answer]:
    """What somebody new is answered, also when the call is sent again or its answer is known."""
    person = await add_person(app, f"{it.name}@example.com")
    [book_id, _] = await person.has_books("Emma", "Persuasion")
    token = await add_program(app, person.id)
    sessions = await rows(app, sessions_table.c.id, sessions_table.c.user_id)
    [session_id] = [number for number, owner in sessions if owner == person.id]
    ids = {"book_id": book_id, "token_id": token.token_id, "session_id": session_id}
    address = it.address(ids)
    if "limit" in {each["name"] for each in it.parameters("query")}:
        address += "?limit=1"
    body = it.body
    if it.name == "make_token":
        body |= {"email": person.email, "password": PASSWORD}
    caller = Caller(app, person, await add_program(app, person.id))
    names = {each["name"] for each in it.parameters("header")}
    key = [("Idempotency-Key", "one")] if "Idempotency-Key" in names else []
    data = encoded(body) if it.types else b""
    answers = [await caller.call(it, address, body=data, headers=key)]
    if key:
        answers.append(await caller.call(it, address, body=data, headers=key))
    if "If-None-Match" in names:
        known = [("If-None-Match", answers[0].one("ETag"))]
        answers.append(await caller.call(it, address, headers=known))
    return answers


async def test_codes(app: Quart) -> None:
    """docs/api.md says of each code that an operation may answer what to do."""
    codes = {
        code
        for it in await description(app)
        for status, response in it.own["responses"].items()
        if int(status) >= 400
        for content in it.resolved(response)["content"].values()
        for code in content["examples"]
    }
    assert len(codes) > 20
    assert {code for code in codes if f"`{code}`" not in MANUAL} == set()
