"""Bytes that no form or link of ours would send: refused alike on both databases, never a 500."""

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quart import Quart

from service.models import books_table, users_table
from tests.clocks import record_holds
from tests.people import Person, add_user, count
from tests.wire import FORM, Answer, send, send_form


@pytest.fixture(autouse=True)
def _not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    record_holds(monkeypatch)


on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "application/json",
        "text/plain",
        "text/plain; charset=application/x-www-form-urlencoded",
        "",
        '"',
        "application/octet-stream",
    ],
)
async def test_other_kinds_of_content(app: Quart, alice: Person, content_type: str) -> None:
    """Only what our own forms send is read."""
    body = b'--x\r\nContent-Disposition: form-data; name="book_title"\r\n\r\nEmma\r\n--x--\r\n'
    cookie = [("Cookie", f"readlog-session={alice.cookie()}")]
    answer = await send_form(app, "/books/add", body, headers=cookie, content_type=content_type)
    assert answer.status == 415
    assert await count(app, books_table) == 0


@on_sqlite
@pytest.mark.parametrize(
    "content_type", [FORM, f"{FORM}; charset=UTF-8", FORM.upper(), f"{FORM}; charset=utf-16"]
)
async def test_form_content(app: Quart, content_type: str) -> None:
    """UTF-8 is what is read, whatever the parameter claims."""
    body = b"email=x&password=y"
    answer = await send_form(app, "/login", body, content_type=content_type)
    assert answer.status == 401


FIELDS = {
    "/login": ["email", "password", "remember_me", "next"],
    "/register": ["email", "password", "confirm"],
    "/books/add": ["book_title", "book_author", "book_rating", "form"],
    "/books/{id}/edit": ["book_title", "book_author", "book_rating"],
    "/profile/tokens": ["name", "scopes", "days", "password", "form"],
    "/profile/password": ["current_password", "password", "confirm"],
    "/profile/email": ["email", "current_password"],
}
FILLED = {
    "email": "carol@example.com",
    "current_password": "correct horse battery",
    "password": "correct horse battery",
    "confirm": "correct horse battery",
    "book_title": "Emma",
    "book_author": "Jane Austen",
    "book_rating": "5",
    "name": "Backup",
    "scopes": "books:read",
    "days": "7",
}
# What these say is not kept: yes or no, a path where it is one, something to hash.
NOT_KEPT = {"remember_me": {401}, "next": {401}, "form": {201, 303}}
BROKEN = ["%FF", "%C3%28", "%ED%A0%80", "%ED%BF%BF", "%C0%AF", "%F8%88%80%80%80", "%F4%90%80%80"]


async def post_field(app: Quart, person: Person, path: str, field: str, value: bytes) -> Answer:
    """A form whose fields are good but for one."""
    body = "&".join(
        f"{name}={quote(text)}"
        for name, text in FILLED.items()
        if name in FIELDS[path] and name != field
    )
    sent = (
        []
        if path in ("/login", "/register")
        else [("Cookie", f"readlog-session={person.cookie()}")]
    )
    [book_id] = await person.has_books("Persuasion")
    raw = body.encode() + b"&" + field.encode() + b"=" + value
    return await send_form(app, path.format(id=book_id), raw, headers=sent)


@on_sqlite
@pytest.mark.parametrize(
    ("path", "field"), [(path, field) for path, fields in FIELDS.items() for field in fields]
)
async def test_broken_text_in_every_field(app: Quart, alice: Person, path: str, field: str) -> None:
    """Bytes that are no UTF-8 are 400, in every field, and nothing is changed."""
    await add_user(app, "carol@example.com", "!")
    before = await count(app, users_table)
    for value in [*(text.encode() for text in BROKEN), b"\xff", b"\xed\xa0\x80"]:
        assert (await post_field(app, alice, path, field, value)).status == 400
    assert (await post_field(app, alice, path, f"{field}%00", b"x")).status == 400
    assert (await post_field(app, alice, path, f"{field}%FF", b"x")).status == 400
    assert await count(app, users_table) == before


@pytest.mark.parametrize(
    ("path", "field"), [(path, field) for path, fields in FIELDS.items() for field in fields]
)
async def test_nul_in_every_field(app: Quart, alice: Person, path: str, field: str) -> None:
    """NUL, which one of the databases cannot hold, is refused alike on both."""
    await add_user(app, "carol@example.com", "!")
    for value in (b"%00", b"a%00b", b"\x00"):
        status = (await post_field(app, alice, path, field, value)).status
        assert status in NOT_KEPT.get(field, {422}), value


ANYWHERE: list[Any] = [
    *("%00", "%FF", "%ED%A0%80", "%C0%AE%C0%AE%2F", "%u0000", "%", "%2", "%zz", "%0d%0aX:1"),
    *("..%2f..%2fetc%2fpasswd", "%E2%80%AE", "%F0%9F%A6%89", "'%20OR%201=1--", "{{7*7}}", "$(id)"),
]


@pytest.mark.parametrize("text", ANYWHERE)
async def test_strange_addresses(app: Quart, alice: Person, text: str) -> None:
    """In the path or in a query they are unknown or refused, never our mistake."""
    cookie = [("Cookie", f"readlog-session={alice.cookie()}")]
    for target in (f"/{text}", f"/books/{text}/edit", f"/static/{text}", f"/api/v1/{text}"):
        assert (await send(app, target=target, headers=cookie)).status in (404, 308)
    for target in (f"/books/?after={text}", f"/books/?before={text}"):
        assert (await send(app, target=target, headers=cookie)).status == 422
    for target in (f"/login?next={text}", f"/?{text}={text}", f"/register?{text}"):
        assert (await send(app, target=target)).status == 200


@given(data=st.binary(max_size=300))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_any_bytes_as_a_form(app: Quart, data: bytes) -> None:
    answer = await send_form(app, "/register", data)
    assert answer.status in (400, 413, 422)


@given(
    name=st.sampled_from(["cookie", "origin", "host", "x-forwarded-for", "accept", "range"]),
    value=st.binary(max_size=80).map(lambda value: value.translate(None, b"\r\n")),
    path=st.sampled_from(["/", "/profile", "/books/", "/static/app.css", "/nowhere"]),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_any_bytes_in_a_header(app: Quart, name: str, value: bytes, path: str) -> None:
    assert (await send(app, target=path, headers=[(name, value)])).status < 500


@pytest.mark.parametrize(
    "cookie",
    [
        b"readlog-session=\xff\xfe",
        b"readlog-session=%00",
        b"readlog-session=a\x00b",
        b"readlog-session=\xed\xa0\x80; readlog-flash=\xff",
        b'readlog-session="unclosed',
        b"readlog-session",
        b";;;=;=",
        b"readlog-flash=.eJx\xff.x.x",
    ],
)
async def test_strange_cookies(app: Quart, cookie: bytes) -> None:
    for path, status in (("/", 200), ("/profile", 303)):
        assert (await send(app, target=path, headers=[("Cookie", cookie)])).status == status
