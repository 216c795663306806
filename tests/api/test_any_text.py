"""Any text in any place of any operation: never a 500, and what is refused changes nothing.

What is taken shows something, where people are to see it. The operations and their places are
found in the description, which is made of the shapes: a new one is tried at once. `make soak`
tries more examples.
"""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quart import Quart

from service.models import sessions_table
from tests.api.described import Caller, Described, Headers, Place, description, encoded
from tests.api.programs import add_program
from tests.api.tables import assert_visible, tables
from tests.faults.scale import scale
from tests.odd_texts import in_address, in_header, json_values, texts
from tests.people import add_person, rows
from tests.wire import send

EXAMPLES = scale(3, 40)  # for each place
TRIES = 3  # of what is refused because the machine is busy: a text's fault stays one
MARK = "the place of the odd value"

values_everywhere = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Without limits: there is much to be sent."""
    return {**environment, "RATE_LIMITS": "off"}


class Trial:
    """Sends odd things in the name of somebody, who is another one after each call that is done."""

    def __init__(self, app: Quart) -> None:
        self.app = app

    async def begin(self) -> None:
        person = await add_person(self.app, f"{secrets.token_hex(8)}@example.com")
        [book_id] = await person.has_books("Emma")
        sessions = await rows(self.app, sessions_table.c.id, sessions_table.c.user_id)
        token = await add_program(self.app, person.id)
        self.ids = {
            "book_id": book_id,
            "token_id": token.token_id,
            "session_id": max(number for number, owner in sessions if owner == person.id),
        }
        self.caller = Caller(self.app, person, await add_program(self.app, person.id))
        self.before = await tables(self.app)

    def address(self, it: Described) -> str:
        unknown = set(it.variables) - self.ids.keys()
        assert not unknown, f"{it.name}: teach this test an id for {unknown}"
        return it.address(self.ids)

    async def send(self, it: Described, query: str = "", **options: Any) -> None:
        """Fails for an answer that is not described, and for a refusal that changed something."""
        for _ in range(TRIES):
            answer = await self.caller.call(it, self.address(it) + query, **options)
            if answer.status != 503:
                break
        await self.check(it.name, answer.status)

    async def check(self, name: str, status: int) -> None:
        assert status < 500, name
        if status < 400:
            await assert_visible(self.app)
            await self.begin()
        else:
            assert await tables(self.app) == self.before, name


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """The place of the body itself and of every value in it, however deep."""
    yield place
    parts = value.items() if isinstance(value, dict) else ()
    for name, part in enumerate(value) if isinstance(value, list) else parts:
        yield from places(part, (*place, name))


def at(body: Any, place: Place) -> Any:
    for part in place:
        body = body[part]
    return body


def put(body: Any, place: Place, value: Any) -> Any:
    """The body with another value at a place."""
    if not place:
        return value
    copy: Any = {**body} if isinstance(body, dict) else [*body]
    copy[place[0]] = put(copy[place[0]], place[1:], value)
    return copy


@given(data=st.data())
@values_everywhere
async def test_bodies(app: Quart, data: st.DataObject) -> None:
    """As each value, and as a name in each object; also where the example has no such field."""
    mark = encoded(MARK)
    trial = Trial(app)
    await trial.begin()
    for it in await description(app):
        for body in it.bodies():
            for place in places(body):
                odd = data.draw(json_values)
                sent = encoded(put(body, place, MARK)).replace(mark, odd)
                await trial.send(it, body=sent)
                there = at(body, place)
                if isinstance(there, dict):
                    odd = encoded(data.draw(texts))
                    sent = encoded(put(body, place, {**there, MARK: 1})).replace(mark, odd)
                    await trial.send(it, body=sent)


@given(data=st.data())
@values_everywhere
async def test_beside_bodies(app: Quart, data: st.DataObject) -> None:
    """As each parameter of an address, as one that there is not, in each header and as an id."""
    trial = Trial(app)
    await trial.begin()
    for it in await description(app):
        good = encoded(it.body) if it.types else b""
        for name in [each["name"] for each in it.parameters("query")]:
            await trial.send(it, f"?{name}={data.draw(in_address)}", body=good)
        await trial.send(it, f"?{data.draw(in_address)}={data.draw(in_address)}", body=good)
        for name in ["Accept", *(each["name"] for each in it.parameters("header"))]:
            headers: Headers = [(name, data.draw(in_header))]
            await trial.send(it, body=good, headers=headers)
        for name in it.variables:
            address = it.address({**trial.ids, name: data.draw(in_address)})
            sent = [("Authorization", f"Bearer {trial.caller.program.token}")]
            answer = await send(app, it.method, address, headers=sent, body=good)
            await trial.check(it.name, answer.status)
