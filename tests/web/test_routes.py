"""What holds for every route, found by walking the map of them: a new one is covered at once."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from quart import Quart
from werkzeug.routing import Rule

from service.models import metadata, rate_limits_table
from service.security.same_origin import SAFE_METHODS
from tests.people import Person, rows
from tests.wire import FORM, send

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """With what there is on request only, so that every route is there."""
    return environment | {"METRICS_TOKEN": "0123456789abcdef"}


def routes(app: Quart) -> list[tuple[Rule, Callable[..., Any]]]:
    """Every rule but that of static files, with its view."""
    return [
        (rule, app.view_functions[rule.endpoint])
        for rule in app.url_map.iter_rules()
        if rule.endpoint != "static"
    ]


def address(rule: Rule, book_id: int = 1) -> str:
    """An address of the rule; fails for a rule whose variables nobody filled in here."""
    path = rule.rule.replace("<id:book_id>", str(book_id))
    path = re.sub("<id:(token|session)_id>", "1", path)
    assert "<" not in path, f"teach this test what to put into {rule.rule}"
    return path


async def everything(app: Quart) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    return {name: await rows(app, *table.c) for name, table in metadata.tables.items()}


@on_sqlite
def test_routes_of_the_flask_application(app: Quart) -> None:
    """Addresses and endpoints that people and templates knew are still there."""
    known = {(rule.rule.replace("id:book_id", "id"), rule.endpoint) for rule, _ in routes(app)}
    paths = {path for path, _ in known}
    assert {"/", "/register", "/login", "/logout", "/profile", "/status"} <= paths
    assert {"/books/", "/books/add", "/books/<id>/edit", "/books/<id>/delete"} <= paths
    assert {"/livez", "/readyz", "/metrics"} <= paths
    assert ("/books/", "books.list_books") in known


@on_sqlite
def test_routes_say_who_may(app: Quart) -> None:
    """Every route is for people who are signed in, or open to everybody on purpose."""
    for rule, view in routes(app):
        assert getattr(view, "access", None) in ("signed in", "public", "token"), rule.endpoint
    assert [rule.rule for rule, view in routes(app) if rule.rule.startswith("/books")] == [
        rule.rule
        for rule, view in routes(app)
        if rule.rule.startswith("/books") and getattr(view, "access", "") == "signed in"
    ]


@on_sqlite
def test_routes_say_how_often(app: Quart) -> None:
    """Every route has a limit, or a reason why it needs none; what writes for people has one."""
    for rule, view in routes(app):
        limit = getattr(view, "limit", "")
        assert limit, rule.endpoint
        assert limit != "none: ", rule.endpoint
        if (rule.methods or set()) - SAFE_METHODS and rule.endpoint != "users.logout":
            assert not limit.startswith("none"), rule.endpoint


@on_sqlite
async def test_private_routes_ask_to_sign_in(app: Quart) -> None:
    """Nobody gets nothing but the way to sign in, which leads back to a page and not to a form."""
    private = [rule for rule, view in routes(app) if getattr(view, "access", "") == "signed in"]
    assert len(private) >= 8
    for rule in private:
        path = address(rule)
        for method in sorted(rule.methods or set()):
            if method == "OPTIONS":
                continue
            answer = await send(app, method, path, headers=[("Origin", "http://localhost")])
            back = path if method in ("GET", "HEAD") else "/books/"
            assert (answer.status, answer.one("Location")) == (303, f"/login?next={back}")
            assert answer.body == b""


async def test_get_changes_nothing(app: Quart, alice: Person, bob: Person) -> None:
    """No link, prefetch or image tag changes a row, of whomever it is and whoever follows it."""
    [book_id] = await alice.has_books("Emma")
    before = await everything(app)
    assert before["books"]
    assert before["sessions"]
    for method in ("GET", "HEAD", "OPTIONS"):
        for person in (alice, bob):
            cookie = ("Cookie", f"readlog-session={person.cookie()}")
            for rule, _ in routes(app):
                target = address(rule, book_id)
                body = b"book_title=Changed&book_author=X&email=eve%40example.com"
                sent = [cookie, ("Content-Type", FORM), ("Origin", "http://localhost")]
                answer = await send(app, method, f"{target}?x=1", headers=sent, body=body)
                expected = {200, 303, 404, 405} | ({422} if target.startswith("/api/") else set())
                expected |= {401} if target == "/metrics" else set()
                assert answer.status in expected, (method, target)
    assert await everything(app) == before


async def test_unsafe_routes_change_nothing_without_origin(app: Quart, alice: Person) -> None:
    """A request that does not say where it comes from is refused before anything is read."""
    [book_id] = await alice.has_books("Emma")
    before = await everything(app)
    unsafe = [
        (method, address(rule, book_id))
        for rule, _ in routes(app)
        for method in (rule.methods or set()) - SAFE_METHODS
    ]
    assert ("POST", f"/books/{book_id}/delete") in unsafe
    for method, path in unsafe:
        cookie = ("Cookie", f"readlog-session={alice.cookie()}")
        body = b"book_title=X&book_author=X&email=eve%40example.com&password=correct+horse+b"
        sent = [cookie, ("Content-Type", FORM)]
        answer = await send(app, method, path, headers=sent, body=body)
        assert answer.status == 403, (method, path)
    assert await everything(app) == before
    assert before[rate_limits_table.name] == []


async def test_head_is_get_without_a_body(app: Quart, alice: Person) -> None:
    """HEAD tells status, type and length of what GET would answer."""
    [book_id] = await alice.has_books("Emma")
    sent = [("Cookie", f"readlog-session={alice.cookie()}"), ("X-Request-ID", "the-same-one")]
    paths = [address(rule, book_id) for rule, _ in routes(app) if "GET" in (rule.methods or set())]
    for path in [*paths, "/static/app.css", "/nowhere", "/books/4711/edit"]:
        get = await send(app, "GET", path, headers=sent)
        head = await send(app, "HEAD", path, headers=sent)
        assert head.status == get.status
        assert _lasting(head.headers) == _lasting(get.headers), path


@on_sqlite
async def test_options_and_405_name_the_methods(app: Quart) -> None:
    """Both say what an address takes, so that programs need not guess."""
    methods: dict[str, set[str]] = {}
    for rule, _ in routes(app):
        methods.setdefault(address(rule), set()).update(rule.methods or set())
    for path, allowed in methods.items():
        answer = await send(app, "OPTIONS", path)
        assert answer.status == 200
        assert set(answer.one("Allow").split(", ")) == allowed, path
        for method in {"POST", "PUT", "PATCH", "DELETE", "TRACE"} - allowed:
            answer = await send(app, method, path, headers=[("Origin", "http://localhost")])
            assert answer.status == 405, (method, path)
            assert set(answer.one("Allow").split(", ")) == allowed, path


# No id in its one spelling: signs, zeros in front, other scripts, and what no column holds.
NO_IDS = ["0", "-1", "+1", "01", "%2B1", "1.0", "1e3", "%D9%A1", "%EF%BC%91", "abc", "1%00", "%20"]
NO_IDS += ["1%20", "%201", "1;2", "null", "NaN", "0x1", "1_0", str(2**31), str(2**63), "%FF"]
NO_IDS += ["9" * 5000, "1'--", "..%2f1", "%ED%A0%80", "true"]


@pytest.mark.parametrize("action", ["edit", "delete"])
async def test_numbers_that_are_no_ids(app: Quart, alice: Person, action: str) -> None:
    """They are unknown addresses, for GET and POST, on both databases."""
    await alice.has_books("Emma")
    sent = [("Cookie", f"readlog-session={alice.cookie()}"), ("Origin", "http://localhost")]
    for number in NO_IDS:
        for method in ("GET", "POST"):
            answer = await send(app, method, f"/books/{number}/{action}", headers=sent)
            assert answer.status == 404, (method, number)
    largest = await send(app, "GET", f"/books/{2**31 - 1}/{action}", headers=sent)
    assert largest.status == 404


def _lasting(headers: Any) -> list[tuple[str, str]]:
    """Without what differs from one request to the next."""
    return sorted(item for item in headers if item[0] not in ("set-cookie", "date"))
