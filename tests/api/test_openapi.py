"""GET /api/v1/openapi.json"""

import json
import subprocess
import sys
from ast import literal_eval
from difflib import unified_diff
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from quart import Quart
from schemathesis.specs.openapi.definitions import OPENAPI_31

from service.app import create_app
from service.config import Settings
from service.users.forms import SCOPES
from tests.api.described import ADDRESS, Caller, Described, description
from tests.api.openapi_snapshot import SNAPSHOT
from tests.api.openapi_snapshot import described as described_now
from tests.api.programs import Program, add_program
from tests.etags import FORMS, OTHERS
from tests.people import Person
from tests.production import HOST, production
from tests.web.test_routes import everything, routes
from tests.wire import send

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
async def operations(app: Quart) -> list[Described]:
    return await description(app)


async def test_snapshot() -> None:
    """What programs rely on changes only on purpose, however the code is worded and ordered."""
    before = SNAPSHOT.read_text(encoding="utf-8").splitlines()
    now = (await described_now()).splitlines()
    changes = list(unified_diff(before, now, "tests/api/openapi.json", "the code", lineterm=""))
    if changes:
        renew = "The API's description has changed. If it was meant to: make openapi-snapshot"
        pytest.fail("\n".join([renew, *changes]), pytrace=False)


def test_docstrings_are_not_public() -> None:
    """Without any docstring (-OO) the description is the same."""
    program = (
        "import asyncio; from tests.api import openapi_snapshot as it;"
        "print(ascii(asyncio.run(it.described())))"
    )
    printed = subprocess.check_output([sys.executable, "-OO", "-c", program], text=True)
    assert literal_eval(printed) == SNAPSHOT.read_text(encoding="utf-8")


@on_sqlite
async def test_document(operations: list[Described]) -> None:
    """It is OpenAPI 3.1, and every schema in it is one of its dialect."""
    document = operations[0].document
    assert document["openapi"].startswith("3.1.")
    Draft202012Validator(OPENAPI_31).validate(document)
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
        assert schema["description"]


@on_sqlite
async def test_nothing_is_left_out(app: Quart, operations: list[Described]) -> None:
    """Every address below /api/v1 is described, and every described one is there."""
    known = {
        (rule.rule.replace("<id:", "{").replace(">", "}"), method)
        for rule, _ in routes(app)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/v1/")
    }
    assert known == {(it.path, it.method) for it in operations}
    assert len(known) == len({it.name for it in operations}) >= 17


@on_sqlite
async def test_every_operation_says_all(operations: list[Described]) -> None:
    schemes = operations[0].document["components"]["securitySchemes"]
    for it in operations:
        assert it.own["summary"]
        assert it.own["description"]
        assert {name for way in it.own["security"] for name in way} <= set(schemes)
        assert {400, 406, 414, 422, 431, 503} <= it.statuses
        assert (401 in it.statuses) >= (not it.is_open)
        for each in it.own["parameters"]:
            assert each["description"]
        for response in map(it.resolved, it.own["responses"].values()):
            assert response["description"]
            assert response["headers"]["X-Request-ID"]["required"]


@on_sqlite
async def test_examples_fit(operations: list[Described]) -> None:
    """Every example is what its schema asks for, and every body and answer has one."""
    document = operations[0].document
    for it in operations:
        contents = [*it.own.get("requestBody", {}).get("content", {}).values()]
        for response in map(it.resolved, it.own["responses"].values()):
            contents += response.get("content", {}).values()
        for content in contents:
            examples = [each["value"] for each in content.get("examples", {}).values()]
            examples += [content["example"]] if "example" in content else []
            assert examples or it.path == ADDRESS
            whole = {**content["schema"], "components": document["components"]}
            for example in examples:
                Draft202012Validator(whole).validate(example)


@on_sqlite
async def test_settings_show(database_url: str, tmp_path: Path) -> None:
    """The cookie's name and the shortest password are this installation's."""
    environment = production(database_url) | {"PASSWORD_MIN_LENGTH": "11"}
    app = create_app(Settings.from_env(environment, root=tmp_path))
    async with app.test_app():
        answer = await send(app, target=ADDRESS, headers=[("Host", HOST)], scheme="https")
    components = json.loads(answer.body)["components"]
    assert components["securitySchemes"]["session"]["name"] == "__Host-session"
    for shape in ("NewUser", "UserPatch"):
        assert components["schemas"][shape]["properties"]["password"]["minLength"] == 11


@on_sqlite
async def test_password_bounds(operations: list[Described]) -> None:
    """A schema counts what is sent, so its bound is that of the longest spelling; it says so."""
    fields = [
        (it.name, place[-1], schema)
        for it in operations
        if it.types
        for place, schema in it.fields()
        if str(place[-1]).endswith("password")
    ]
    assert {name for name, _, _ in fields} == {"register", "change_me", "make_token"}
    for _, _, schema in fields:
        assert schema["maxLength"] == 4 * 128
        assert "at most 128" in schema["description"]
        assert "NFKC" in schema["description"]


@on_sqlite
async def test_texts_that_show_nothing(operations: list[Described]) -> None:
    """The schema of what people see and click does not allow them."""
    seen = 0
    for it in operations:
        for place, schema in it.fields() if it.types else ():
            if place[-1] in ("title", "author", "name") and schema.get("type") == "string":
                field = Draft202012Validator(schema)
                for text in ("\u200b", " \u3164", "\u2800", "\u00ad\ufeff", "\u202e", "\u0301"):
                    assert not field.is_valid(text), (it.name, place, ascii(text))
                for text in ("x", "\u200bx", "\u6218", "\U0001f989", "e\u0301"):
                    assert field.is_valid(text), (it.name, place, ascii(text))
                seen += 1
    assert seen >= 7


@on_sqlite
async def test_may_be_kept(app: Quart) -> None:
    """By anybody for a moment, and then asked for with its ETag."""
    answer = await send(app, target=ADDRESS)
    assert answer.one("Cache-Control") == "public, max-age=300"
    assert answer.all("Set-Cookie") == answer.all("Vary") == []
    etag = answer.one("ETag")
    again = await send(app, target=ADDRESS, headers=[("If-None-Match", etag)])
    assert (again.status, again.body, again.one("ETag")) == (304, b"", etag)
    assert again.one("Cache-Control") == answer.one("Cache-Control")
    for form in FORMS.values():
        same = await send(app, target=ADDRESS, headers=[("If-None-Match", form(etag))])
        assert (same.status, same.one("ETag")) == (304, etag)
    for change in OTHERS.values():
        other = await send(app, target=ADDRESS, headers=[("If-None-Match", change(etag))])
        assert (other.status, other.body) == (200, answer.body)


async def test_scopes_are_as_described(
    app: Quart, alice: Person, program: Program, operations: list[Described]
) -> None:
    """Nobody calls what is not open, and no token does what its scopes do not allow."""
    [book_id] = await alice.has_books("Emma")
    ids = {"book_id": book_id, "token_id": program.token_id, "session_id": 1}
    lacking: dict[str, Program] = {
        scope: await add_program(app, alice.id, [each for each in SCOPES if each != scope])
        for scope in SCOPES
    }
    before = await everything(app)
    for it in operations:
        if it.is_open:
            continue
        caller = Caller(app, alice, program)
        for token in ("", "rl_wrong", f"{program.token}x", str(program.token).upper()):
            sent = [("Authorization", f"Bearer {token}")]
            answer = await caller.call(it, it.address(ids), headers=sent)
            assert answer.status == 401, it.name
        if it.scope is not None or not it.takes_token:
            other = lacking.get(it.scope or "", program)
            sent = [("Authorization", f"Bearer {other.token}"), ("Cookie", "a=b")]
            answer = await caller.call(it, it.address(ids), headers=sent)
            assert answer.status == 403, it.name
            assert "insufficient_scope" in answer.one("WWW-Authenticate")
    after = await everything(app)
    before.pop("access_tokens")  # the last use is noted in there
    assert {name: after[name] for name in before} == before
