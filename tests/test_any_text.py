"""Any text in any field of any form: never a 500, and what is refused changes nothing.

What is taken shows something, where people are to see it. The forms are found on the pages. `make
soak` tries more examples. What programs send is tried in tests/api/test_any_text.py.
"""

import secrets
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quart import Quart

from service.api.description import openapi
from service.validation import Shape
from tests.api.programs import add_program
from tests.api.tables import assert_visible, tables
from tests.api.test_any_text import values_everywhere
from tests.clocks import record_holds
from tests.odd_texts import in_address
from tests.page_forms import Found, filled_in, posted, walk
from tests.people import Browser, add_person
from tests.web.test_strange_input import FILLED
from tests.wire import Answer, send, send_form

TRIES = 3  # of what is refused because the machine is busy: a text's fault stays one

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def _not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    record_holds(monkeypatch)


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Without limits: there is much to be sent."""
    return {**environment, "RATE_LIMITS": "off"}


class Trial:
    """Sends odd things in the name of somebody, who is another one after each that is done."""

    def __init__(self, app: Quart) -> None:
        self.app = app

    async def begin(self) -> None:
        self.person = await add_person(self.app, f"{secrets.token_hex(8)}@example.com")
        [book_id] = await self.person.has_books("Emma")
        token = await add_program(self.app, self.person.id)
        self.ids = {"book_id": book_id, "token_id": token.token_id}
        self.before = await tables(self.app)

    async def walk(self) -> tuple[Found, Found]:
        """What there is for who is signed in, and for who is not."""
        nobody = Browser(self.app)
        signed_in = await walk(self.app, self.person, self.ids)
        return signed_in, await walk(self.app, nobody, self.ids)

    def cookies(self, *, signed_in: bool) -> list[tuple[str, str]]:
        return [("Cookie", f"readlog-session={self.person.cookie()}")] if signed_in else []

    async def post(self, route: str, body: str, *, signed_in: bool) -> None:
        address, headers = filled_in(route, self.ids), self.cookies(signed_in=signed_in)
        for _ in range(TRIES):
            answer = await send_form(self.app, address, body.encode(), headers=headers)
            if answer.status != 503:
                break
        await self.check(answer, body)

    async def get(self, target: str, *, signed_in: bool) -> None:
        headers = self.cookies(signed_in=signed_in)
        answer = await send(self.app, target=target, headers=headers)
        assert await tables(self.app) == self.before, target
        await self.check(answer, target)

    async def check(self, answer: Answer, about: str) -> None:
        """What is refused is refused on a page, and has changed nothing."""
        assert answer.status < 500, about
        if answer.status >= 400:
            assert answer.one("Content-Type") == "text/html; charset=utf-8"
            assert "</html>" in answer.text
            assert await tables(self.app) == self.before, about
        elif await tables(self.app) != self.before:
            await assert_visible(self.app)
            await self.begin()


def good(fields: Mapping[str, str]) -> dict[str, str]:
    """A form as somebody fills it in, without the keys by which it would be known again."""
    known = FILLED | {"email": f"{secrets.token_hex(8)}@example.com", "version": "", "form": ""}
    return {name: known.get(name, value) for name, value in fields.items()}


@given(data=st.data())
@values_everywhere
async def test_forms(app: Quart, data: st.DataObject) -> None:
    """In each field of each form, in one that is sent a second time, and as a field's name."""
    trial = Trial(app)
    await trial.begin()
    for signed_in, found in zip((True, False), await trial.walk(), strict=True):
        for route, fields in found.forms.items():
            for name in fields:
                rest = {other: value for other, value in good(fields).items() if other != name}
                odd = f"{urlencode({name: ''})}{data.draw(in_address)}"
                await trial.post(route, f"{urlencode(rest)}&{odd}", signed_in=signed_in)
                await trial.post(route, f"{urlencode(good(fields))}&{odd}", signed_in=signed_in)
            named = f"{urlencode(good(fields))}&{data.draw(in_address)}=x"
            await trial.post(route, named, signed_in=signed_in)


@given(data=st.data())
@values_everywhere
async def test_addresses(app: Quart, data: st.DataObject) -> None:
    """In each parameter of each link of a page, and in one that there is not."""
    trial = Trial(app)
    await trial.begin()
    await trial.person.has_books(*("Emma",) * 60)  # the list has links to its other parts
    trial.before = await tables(app)
    for signed_in, found in zip((True, False), await trial.walk(), strict=True):
        queries = {*found.queries, ("/login", "next")}
        assert not signed_in or ("/books/", "after") in queries
        for path, name in sorted(queries):
            await trial.get(f"{path}?{name}={data.draw(in_address)}", signed_in=signed_in)
        for path in {path for path, _ in queries}:
            query = f"{data.draw(in_address)}={data.draw(in_address)}"
            await trial.get(f"{path}?{query}", signed_in=signed_in)


@on_sqlite
async def test_every_form_is_found(app: Quart) -> None:
    """A route that is posted to, whose form is on no page, must not be left out here."""
    trial = Trial(app)
    await trial.begin()
    signed_in, nobody = await trial.walk()
    left_out = posted(app) - signed_in.forms.keys() - nobody.forms.keys()
    assert left_out == set()
    assert signed_in.forms.keys() >= {"/books/add", "/profile/tokens", "/logout"}
    assert nobody.forms.keys() >= {"/login", "/register"}
    for found in (signed_in, nobody):
        unknown = {
            name for fields in found.forms.values() for name in fields if name not in good(fields)
        }
        assert unknown == set()


@on_sqlite
async def test_every_shape_is_found(app: Quart) -> None:
    """Every shape of input is a part of an operation, or its fields are those of a form."""
    trial = Trial(app)
    await trial.begin()
    fields = [set(form) for found in await trial.walk() for form in found.forms.values()]
    declared = [route.declared for route in openapi.routes(app)]
    operations = {it for each in declared for it in (each.body, each.query) if it is not None}
    covered = {part for shape in operations for part in parts(shape)}
    left_out = {
        shape.__name__
        for shape in shapes(Shape)
        if not any(issubclass(it, shape) for it in covered)
        and not any(is_form_of(shape, names) for names in fields)
    }
    assert left_out == set()


def shapes(base: type[Shape]) -> Iterator[type[Shape]]:
    """Every shape of the service."""
    for shape in base.__subclasses__():
        if shape.__module__.startswith("service."):
            yield shape
        yield from shapes(shape)


def parts(shape: type[Any]) -> Iterator[type[Any]]:
    """A shape, and those in it, however deep."""
    waiting: list[Any] = [msgspec.inspect.type_info(shape)]
    seen: set[type[Any]] = set()
    while waiting:
        info = waiting.pop()
        if isinstance(info, msgspec.inspect.StructType) and info.cls not in seen:
            seen.add(info.cls)
            waiting += [field.type for field in info.fields]
        elif isinstance(info, msgspec.inspect.UnionType):
            waiting += info.types
        elif isinstance(info, msgspec.inspect.ListType):
            waiting.append(info.item_type)
    return iter(seen)


def is_form_of(shape: type[Shape], names: set[str]) -> bool:
    """Whether a form has a field for each of the shape's, all with one prefix or none."""
    first, *_ = shape.__struct_fields__
    prefixes = {name.removesuffix(first) for name in names if name.endswith(first)}
    return any({prefix + it for it in shape.__struct_fields__} <= names for prefix in prefixes)
