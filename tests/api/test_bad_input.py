"""Whatever is wrong with what is sent, to every operation that the description knows.

It is refused with a described status and a problem that tells of it, the same on both databases,
and no row of any table is another one than before.
"""

import json
import unicodedata
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator
from quart import Quart

from service.api.batch import MAX_BODY as MAX_BATCH
from service.web.request_limits import MAX_ADDRESS, MAX_BODY, MAX_HEADER_COUNT, MAX_HEADERS
from tests.api.described import NO_ID, Caller, Described, Place, description, encoded
from tests.api.programs import Program
from tests.api.tables import unchanged
from tests.people import Person
from tests.web.test_routes import NO_IDS
from tests.wire import FORM

TEXTS = ["", " ", "\0", "a\0b", "\ud800", "a\udfffb", "\ud83d", "x" * 40_000, "\t\r\n\u2003"]
TEXTS += ["\u200b", "\u3164\u2800", "\u00ad\ufeff", "\u202e\ufe0f\u034f", "e\u0301" * 300]
NUMBERS: list[Any] = [0, -1, 6, 2**31, 2**63, -(2**63), 10**400, 0.5, 1e300, "1", "\u0663"]
VALUES: list[Any] = [*TEXTS, *NUMBERS, True, False, None, [], {}, [None], {"a": 1}]
# What cannot be stored, below the place where a text or a choice may stand.
UNSTORABLE: list[Any] = [
    *("\ud800", ["\ud800"], ["books:read", "\udfff"], [["\0"]], {"a": "\ud83d"}, {"\ud800": 1}),
    *({"title": ["\0"]}, [{"op": "\ud800"}], [{"op": "create", "book": {"\udc00": "\ud800"}}]),
]
VALUES += UNSTORABLE
# In an address each is another spelling of nothing that is meant there.
IN_QUERY = ["%00", "a%00", "%FF", "%ED%A0%80", "%C0%AF", "%E2%80%AE", "%F0%9F%A6%89", "", "%20"]
IN_QUERY += ["0", "-1", "%2B1", "01", "1.0", "1e3", "%D9%A3", "%201", "101", str(2**31), str(2**63)]
IN_QUERY += ["9" * 4000, "NaN", "Infinity", "True", "null", "'%20OR%201=1--", "%25", "_", "%5C"]
IN_QUERY += ["title;drop%20table%20books", "password_hashed", "user_id", "title%20desc", "[]", "{}"]
FOREIGN = ["id", "user_id", "owner", "is_admin", "email_verified", "created_at", "updated_at"]
FOREIGN += ["version", "password_hash", "password_hashed", "token_hash", "books_revision", "a\0b"]
FOREIGN += ["\ud800", "", "__class__", "constructor", "x" * 500]


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Without limits: there is much to be sent."""
    return {**environment, "RATE_LIMITS": "off"}


@pytest.fixture
async def operations(app: Quart) -> list[Described]:
    return await description(app)


@pytest.fixture
async def ids(alice: Person, program: Program) -> dict[str, object]:
    """Alice's: what stands in the addresses, by the names that it has there."""
    [book_id] = await alice.has_books("Emma")
    return {"book_id": book_id, "token_id": program.token_id, "session_id": 1}


@pytest.fixture
def caller(app: Quart, alice: Person, program: Program) -> Caller:
    return Caller(app, alice, program)


def bodies(operations: list[Described]) -> list[Described]:
    found = [it for it in operations if it.types]
    assert len(found) >= 7
    return found


def whole(it: Described, schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": it.document["components"]})


async def test_values_of_fields(
    app: Quart, caller: Caller, ids: dict[str, object], operations: list[Described]
) -> None:
    """Every field of every body, with every value that its schema does not allow: 422 (S56 to S58).

    What is told names the field.
    """
    refused = 0
    for it in bodies(operations):
        async with unchanged(app):
            for place, schema in it.fields():
                validator = whole(it, schema)
                for value in [value for value in VALUES if not _is_valid(validator, value)]:
                    body = encoded(it.replaced(place, value))
                    answer = await caller.call(it, it.address(ids), body=body)
                    told = json.loads(answer.body)
                    assert answer.status == 422, (it.name, place, value)
                    assert _starts(told["errors"][0]["field"], place), (it.name, place, told)
                    refused += 1
    assert refused > 500


def _is_valid(validator: Draft202012Validator, value: Any) -> bool:
    """Halves of surrogate pairs are no text, whatever a schema in Python says."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
    return bool(validator.is_valid(value))


def _starts(field: str, place: Place) -> bool:
    """Whether the field that is told of is the place, a part of it, or what it is a part of."""
    name = ""
    for part in place:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else part
        if field == name:
            return True
    return field.startswith(name)


async def test_unstorable_however_deep(
    app: Quart, caller: Caller, ids: dict[str, object], operations: list[Described]
) -> None:
    """Half of a surrogate pair or a NUL in any text of a body, as a name or value: 422 (F12)."""
    deepest = nested(900)
    for it in bodies(operations):
        async with unchanged(app):
            for place, _ in it.fields():
                for value in [*UNSTORABLE, nested(2), nested(100), deepest]:
                    body = encoded(it.replaced(place, value))
                    answer = await caller.call(it, it.address(ids), body=body)
                    told = json.loads(answer.body)
                    if answer.status == 400:  # how deep Python's decoder goes differs
                        assert told["detail"] == "The body is nested too deeply."
                        assert value is deepest
                        continue
                    assert answer.status == 422, (it.name, place)
                    codes = {error["code"] for error in told["errors"]}
                    assert codes & {"invalid_characters", "invalid", "unknown"}, (it.name, place)


def nested(depth: int) -> Any:
    """A text that cannot be stored within lists and objects; the body around it is three deep."""
    value: Any = "\ud800"
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


async def test_choice_that_cannot_be_stored(
    app: Quart, caller: Caller, operations: list[Described]
) -> None:
    """The field that it stands in is named, and the reason is the character."""
    [make_token] = [it for it in operations if it.name == "make_token"]
    body = make_token.body | {"scopes": ["\ud800"]}
    async with unchanged(app):
        answer = await caller.call(make_token, make_token.path, body=encoded(body))
    [error] = json.loads(answer.body)["errors"]
    assert (error["field"], error["code"]) == ("scopes", "invalid_characters")


async def test_name_that_cannot_be_stored(
    app: Quart, caller: Caller, operations: list[Described]
) -> None:
    """A refusal names it in characters that every parser of JSON reads."""
    [add_book] = [it for it in operations if it.name == "add_book"]
    unknown = encoded(add_book.body | {"a\ud800\0b": 1})
    answer = await caller.call(add_book, add_book.path, body=unknown)
    assert json.loads(answer.body)["errors"][0]["field"] == "a\ufffd\ufffdb"
    twice = b'{"\\ud800": 1, "\\ud800": 2}'
    answer = await caller.call(add_book, add_book.path, body=twice)
    assert answer.status == 400
    assert "\ufffd" in json.loads(answer.body)["detail"]
    answer = await caller.call(
        add_book, f"{add_book.path}?%00=1&%00=2", body=encoded(add_book.body)
    )
    assert json.loads(answer.body)["errors"][0]["field"] == "\ufffd"


async def test_missing_fields(
    app: Quart, caller: Caller, ids: dict[str, object], operations: list[Described]
) -> None:
    """A body without a field that must be there is refused, and the field is named."""
    for it in bodies(operations):
        required = set(it.resolved(it.schema).get("required", []))
        async with unchanged(app):
            for name in required:
                body = it.body
                del body[name]
                answer = await caller.call(it, it.address(ids), body=encoded(body))
                assert answer.status == 422, it.name
                [error] = json.loads(answer.body)["errors"]
                assert (error["field"], error["code"]) == (name, "missing")


async def test_foreign_fields(
    app: Quart, caller: Caller, ids: dict[str, object], operations: list[Described]
) -> None:
    """What nobody is asked for is refused, in every object of every body (S54)."""
    for it in bodies(operations):
        places = list(it.objects())
        fields = {place for place, _ in it.fields()}
        async with unchanged(app):
            for place in places:
                for name in FOREIGN:
                    if (*place, name) in fields:
                        continue
                    body = encoded(it.replaced((*place, name), 1))
                    answer = await caller.call(it, it.address(ids), body=body)
                    assert answer.status == 422, (it.name, place, name)
                    codes = {error["code"] for error in json.loads(answer.body)["errors"]}
                    assert codes == {"unknown"}, (it.name, place, name)


def broken(it: Described) -> Iterator[tuple[bytes, set[int]]]:
    """Bodies that are no JSON object in UTF-8 (S56, S58), and what each may be answered with."""
    good = encoded(it.body)
    name = json.dumps(next(iter(it.body))).encode()
    deep = {400, 413}  # 100,000 levels are more than most operations read at all
    yield from ((b"[" * count, deep) for count in (1, 60_000, 100_000))
    yield from ((b'{"a":' * count, deep) for count in (1, 10_000, 100_000))
    yield b"[" * 30_000 + b"]" * 30_000, {400, 422}
    yield good[:-1] + b", " + name + b": " + b"[" * 20_000 + b"]" * 20_000 + b"}", {400}
    yield good[:-1] + b", " + name + b": 1}", {400}
    for number in (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e99999", b"1" * 5000):
        yield b"{" + name + b": " + number + b"}", {400}
    for text in (b"01", b"+1", b".5", b"1.", b"'x'", b"undefined", b'"\x00"', b'"\n"', b'"\\x"'):
        yield b"{" + name + b": " + text + b"}", {400}
    for bad in (b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf8\x88\x80\x80\x80"):
        yield b"{" + name + b': "' + bad + b'"}', {400}
    for charset in ("utf-16", "utf-16-le", "utf-32", "utf-8-sig"):
        yield good.decode().encode(charset), {400}
    yield from ((good + after, {400}) for after in (b"x", b"{}", b"\x00", b"//"))
    yield from ((text, {400}) for text in (b"", b" ", b"\x00", b"{", b"{,}", b"{'a': 1}", b"a=b"))
    for other in (b"[]", b"[{}]", b'"x"', b"null", b"1", b"true", b"[" + good + b"]"):
        yield other, {422}


async def test_broken_bodies(
    app: Quart, caller: Caller, ids: dict[str, object], operations: list[Described]
) -> None:
    for it in bodies(operations):
        async with unchanged(app):
            for body, statuses in broken(it):
                answer = await caller.call(it, it.address(ids), body=body)
                assert answer.status in statuses, (it.name, body[:60], answer.status)


async def test_other_kinds_of_content(
    app: Quart, caller: Caller, ids: dict[str, object], operations: list[Described]
) -> None:
    """Only what is described is read, so no form of another site can be taken for it."""
    kinds = ["text/plain", FORM, "multipart/form-data; boundary=x", "application/xml", '"', "*/*"]
    kinds += ["application/json; charset=utf-16", "application/jsonx", "text/json", "json"]
    for it in bodies(operations):
        async with unchanged(app):
            for kind in [*kinds, ""]:
                body = encoded(it.body)
                answer = await caller.call(it, it.address(ids), body=body, kind=kind)
                assert answer.status == 415, (it.name, kind)


async def test_queries(
    app: Quart, caller: Caller, ids: dict[str, object], operations: list[Described]
) -> None:
    """Unknown parameters, those that are sent twice, and values that are none (S55 to S57)."""
    for it in operations:
        target = it.address(ids)
        async with unchanged(app):
            for query in (
                "nonsense=1",
                "%00=1",
                "%FF=%FF",
                "=",
                "_method=DELETE",
                "id=1",
                "Sort=title",
            ):
                answer = await caller.call(it, f"{target}?{query}", body=_good(it))
                assert answer.status == 422, (it.name, query)
            for each in it.parameters("query"):
                name, kind = each["name"], each["schema"]["type"]
                values = [value for value in IN_QUERY if not _is_meant(kind, value)]
                assert len(values) > 15
                for query in [f"{name}={value}" for value in values] + [f"{name}=1&{name}=1"]:
                    answer = await caller.call(it, f"{target}?{query}")
                    assert answer.status == 422, (it.name, query)
                    [error] = json.loads(answer.body)["errors"]
                    assert error["field"] == name


def _is_meant(kind: str, value: str) -> bool:
    """Whether it is the one spelling of something of that kind."""
    if kind == "integer":
        return value.isascii() and value.isdigit() and value[0] != "0" and 0 < int(value[:9]) <= 100
    return kind == "boolean" and value in ("true", "false")


def _good(it: Described) -> bytes:
    return encoded(it.body) if it.types else b""


async def test_paths(
    app: Quart, caller: Caller, ids: dict[str, object], operations: list[Described]
) -> None:
    """What is no id is an unknown address, and what nobody has an unknown thing (S57)."""
    found = [it for it in operations if it.variables]
    assert len(found) >= 6
    others = ["%F0%9F%A6%89", "%E2%80%AE1", "1%2F2", "%2e%2e", "1'%20OR%20'1'='1", "%25", "_", "%"]
    for it in found:
        [name] = it.variables
        async with unchanged(app):
            for number in [*NO_IDS, *others, str(NO_ID)]:
                answer = await caller.call(it, it.address({name: number}), body=_good(it))
                assert answer.status == 404, (it.name, number)


async def test_other_peoples(
    app: Quart, alice: Person, bob: Person, bobs: Program, ids: dict[str, object],
    operations: list[Described],
) -> None:  # fmt: skip
    """Another person's thing is like none, whatever the conditions, and in bodies too (S53)."""
    caller = Caller(app, bob, bobs)
    conditions = [[], [("If-Match", "*")], [("If-None-Match", "*")], [("If-Match", '"1-1-0"')]]
    conditions += [[("If-None-Match", '"1-1-0"')], [("If-Match", '"x"')], [("If-Match", "x\xff")]]
    seen = 0
    for it in operations:
        async with unchanged(app):
            for name in it.variables:
                for headers in conditions:
                    answers = [
                        await caller.call(
                            it, it.address({name: n}), body=_good(it), headers=headers
                        )
                        for n in (ids[name], NO_ID)
                    ]
                    theirs, nobodys = ((each.status, _masked(each.body)) for each in answers)
                    assert theirs == nobodys, (it.name, headers)
                    assert answers[0].status in (400, 404, 412)
                    seen += 1
            for place in (
                [place for place, _ in it.fields() if place[-1] == "id"] if it.types else []
            ):
                told = []
                for number in (ids["book_id"], NO_ID):
                    body = it.replaced(place, number) | {"atomic": True}
                    answer = await caller.call(it, it.address(ids), body=encoded(body))
                    told.append((answer.status, _masked(answer.body)))
                    seen += 1
                assert told[0] == told[1]
                assert told[0][0] == 422
    assert seen > 40


def _masked(body: bytes) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(body)
    return told | {"request_id": ""}


HEADER_VALUES: list[bytes] = [b"", b"\xff\xfe", b"\xed\xa0\x80", b"a\x00b", b"\x7f", b'"', b"*, *"]
HEADER_VALUES += [b"x" * 8000, b'"' * 99, b",,,", "\u0663".encode(), b"text/html;q=\xff"]


async def test_headers(
    app: Quart, caller: Caller, ids: dict[str, object], operations: list[Described]
) -> None:
    """No bytes in any header that is read are our mistake (S56)."""
    everywhere = ["Accept", "X-Request-ID", "Cookie", "Origin", "X-Forwarded-For", "User-Agent"]
    for it in operations:
        own = [each["name"] for each in it.parameters("header")]
        bad = b"{" if it.types else b""  # otherwise good ones would be done
        async with unchanged(app):
            for name in [*own, "Authorization", *everywhere]:
                for value in HEADER_VALUES:
                    target = it.address(ids) if it.types or it.method == "GET" else _nowhere(it)
                    sent = [(name, value)]
                    answer = await caller.call(it, target, body=bad, headers=sent)
                    assert answer.status < 500
                    if name == "Authorization" and it.takes_token:
                        assert answer.status == 401, (it.name, value)


def _nowhere(it: Described) -> str:
    """An address of it at which nothing is done."""
    ids = dict.fromkeys(it.variables, NO_ID)
    return f"{it.address(ids)}?nonsense=1"


async def test_sizes(
    app: Quart, caller: Caller, ids: dict[str, object], operations: list[Described]
) -> None:
    """More than is read of a body, an address or the headers (S59)."""
    for it in operations:
        target = it.address(ids)
        async with unchanged(app):
            answer = await caller.call(it, f"{target}?{'x' * MAX_ADDRESS}", body=_good(it))
            assert answer.status == 414
            long = [("X-Long", "x" * MAX_HEADERS)]
            many = [("X-Many", str(number)) for number in range(MAX_HEADER_COUNT)]
            for headers in (long, many, [("Cookie", "a=b; " * 8000)]):
                answer = await caller.call(it, target, body=_good(it), headers=headers)
                assert answer.status == 431
            if it.types:
                most = MAX_BATCH if "operations" in it.body else MAX_BODY
                half = b" " * (most // 2)
                for body in (b" " * most + _good(it), [half, half, _good(it)]):
                    answer = await caller.call(it, target, body=body)
                    assert answer.status == 413
                sent = [("Content-Length", str(most + 1))]
                answer = await caller.call(it, target, body=_good(it), headers=sent)
                assert answer.status == 413


async def test_body_that_does_not_end(
    app: Quart, caller: Caller, ids: dict[str, object], operations: list[Described]
) -> None:
    """It is given up after a while, with an answer (S59)."""
    app.config["BODY_TIMEOUT"] = 0.01
    for it in bodies(operations):
        async with unchanged(app):
            answer = await caller.call(it, it.address(ids), body=encoded(it.body), stalls=True)
            assert (answer.status, json.loads(answer.body)["code"]) == (408, "REQUEST_TIMEOUT")


async def test_not_acceptable(
    app: Quart, caller: Caller, ids: dict[str, object], operations: list[Described]
) -> None:
    for it in operations:
        async with unchanged(app):
            for accept in ("text/html", "application/json;q=0", "image/*, text/*"):
                sent = [("Accept", accept)]
                answer = await caller.call(it, it.address(ids), body=_good(it), headers=sent)
                assert answer.status == 406, (it.name, accept)


async def test_hosts(
    app: Quart, caller: Caller, ids: dict[str, object], operations: list[Described]
) -> None:
    """Two names of one service, one of which a proxy may have believed."""
    for it in operations:
        async with unchanged(app):
            hosts = [("Host", "localhost"), ("Host", "localhost")]
            answer = await caller.call(it, it.address(ids), body=_good(it), headers=hosts)
            assert answer.status == 400, it.name


async def test_other_sites(
    app: Quart, caller: Caller, ids: dict[str, object], operations: list[Described]
) -> None:
    """A page of another site changes nothing, whatever it knows of a person."""
    for it in operations:
        if it.method == "GET":
            continue
        for name, value in (("Origin", "https://evil.example"), ("Sec-Fetch-Site", "same-site")):
            async with unchanged(app):
                sent = [(name, value)]
                answer = await caller.call(it, it.address(ids), body=_good(it), headers=sent)
                assert answer.status == 403, (it.name, name)
                assert json.loads(answer.body)["code"] == "CROSS_SITE"


# As they are, not as they may be normalised; and what looks like a part of a language.
STRANGE = ["\u202eevil", "\U0001f989 \U00010348", "e\u0301", "\u00e9", " x ", "a\u2028b", "\ufeffx"]
STRANGE += [
    "%",
    "_",
    "\\",
    "%_\\%",
    "'; DROP TABLE books; --",
    "{{7*7}}",
    "$(id)",
    "x\x7f\x01",
    "\x1cx",
]
STRANGE += ["<script>alert(1)</script>", "null", "\ufffd", "\U0010ffff", quote("\u00e9")]


async def test_strange_texts_come_back(
    caller: Caller, ids: dict[str, object], operations: list[Described]
) -> None:
    """Every valid text of a body that its answer has too comes back as it was sent (S55, S56)."""
    kept = 0
    for it in [it for it in bodies(operations) if it.takes_token]:
        for place, schema in it.fields():
            if schema.get("type") != "string" or "enum" in schema or len(place) > 1:
                continue
            for text in STRANGE:
                sent = encoded(it.replaced(place, text))
                answer = await caller.call(it, it.address(ids), body=sent)
                assert answer.status in (200, 201), (it.name, text)
                assert json.loads(answer.body)[place[0]] == text
                kept += 1
    assert kept >= 5 * len(STRANGE)
    assert len({unicodedata.normalize("NFC", text) for text in STRANGE}) < len(STRANGE)
