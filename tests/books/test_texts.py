"""Titles and authors in any script, and those that try to be markup."""

from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from quart import Quart

from service.models import AUTHOR_MAX_LENGTH, TITLE_MAX_LENGTH, books_table
from service.text.visible import is_visible
from tests.books.forms import a_book
from tests.markup import Page, parse
from tests.people import Person, rows
from tests.wire import send, send_form

# What a browser's one-line field can hold: no line ends. No NUL and no half of a surrogate pair.
_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n")


def lines(longest: int) -> st.SearchStrategy[str]:
    texts = st.text(_CHARACTERS, min_size=1, max_size=longest)
    return texts.filter(is_visible)


@given(title=lines(TITLE_MAX_LENGTH), author=lines(AUTHOR_MAX_LENGTH))
@example(title="  spaces stay  ", author="\u202eright to left\u202c")
@example(title="e\u0301 stays decomposed", author="\u00e9 stays composed")
@example(title="战争与和平 🦉 Ἰλιάς", author="الف ليلة وليلة")
@example(title="\x01\x1f\x7f\x85\u2028\ufeff\ufffe", author="\U0010ffff")
@example(title="\u200b\u3164x", author="\ufe0f.\u034f")
@example(title="&amp; &#39; <b>", author="\"'`{{ 7 * 7 }}{% raw %}")
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_text_round_trip(app: Quart, alice: Person, title: str, author: str) -> None:
    """What was typed is what is kept and what the edit form shows, to the last byte."""
    body = urlencode({"book_title": title, "book_author": author, "book_rating": ""}).encode()
    cookie = [("Cookie", f"readlog-session={alice.cookie()}")]
    assert (await send_form(app, "/books/add", body, headers=cookie)).status == 303
    book_id, *kept = (await rows(app, books_table.c.id, books_table.c.title, books_table.c.author))[
        -1
    ]
    assert kept == [title, author]
    answer = await send(app, target=f"/books/{book_id}/edit", headers=cookie)
    fields = Page(answer.text).fields
    # An HTML parser may not see some control characters; the bytes that were sent have them.
    assert fields["book_title"].encode() == title.encode()
    assert fields["book_author"].encode() == author.encode()


PAYLOADS = [
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</textarea><img src=x onerror=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    '" autofocus onfocus=alert(1) x="',
    "' onmouseover='alert(1)",
    "<a href=javascript:alert(1)>x</a>",
    "javascript:alert(1)",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<!--<script>alert(1)//-->",
    "]]><script>alert(1)</script>",
    "<svg><style><img/src=x onerror=alert(1)></style>",
    "<math><mtext></p><script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)",
    "\u003cscript\u003ealert(1)",
    "＜script＞alert(1)＜/script＞",
    "{{ config }}{{ 7*7 }}",
    "{% for x in ().__class__.__mro__ %}{{ x }}{% endfor %}",
    "${7*7}#{7*7}<%= 7*7 %>",
    "<base href=//evil.example>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<form action=//evil.example><button>",
    "<input name=book_rating value=1>",
    "<link rel=stylesheet href=//evil.example>",
    "<style>*{display:none}</style>",
    "--><script>alert(1)</script>",
    '\\"><script>alert(1)</script>',
    "<scr\tipt>alert(1)</scr\tipt>",
    "\ufeff<script>alert(1)</script>",
]


async def structure(person: Person, path: str) -> tuple[Page, list[tuple[str, tuple[str, ...]]]]:
    page = await parse(await person.get(path))
    return page, page.tags


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("payload", PAYLOADS)
async def test_text_is_never_markup(app: Quart, alice: Person, payload: str) -> None:
    """Wherever a title shows, it adds not one tag or attribute to the page that "x" makes."""
    tags = {}
    for title in ("x", payload):
        await alice.post("/books/add", a_book(book_title=title, book_author=title))
        [(book_id,)] = (await rows(app, books_table.c.id))[-1:]
        listed, listed_tags = await structure(alice, "/books/")
        assert f"Added new book ({title})!" in "".join(_texts(listed.source))
        assert listed.cells[4:6] == [title, title]
        edit, edit_tags = await structure(alice, f"/books/{book_id}/edit")
        assert edit.fields["book_title"] == edit.fields["book_author"] == title
        _, delete_tags = await structure(alice, f"/books/{book_id}/delete")
        refused = await parse(
            await alice.post("/books/add", a_book(book_title=title, book_rating=title))
        )
        assert (refused.fields["book_title"], refused.fields["book_rating"]) == (title, title)
        tags[title] = [listed_tags, edit_tags, delete_tags, refused.tags]
        await alice.post(f"/books/{book_id}/delete")
        _, flashed_tags = await structure(alice, "/books/")
        tags[title].append(flashed_tags)
    assert tags["x"] == tags[payload]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("payload", PAYLOADS)
async def test_address_is_never_markup(app: Quart, payload: str) -> None:
    """Nor does an address that does not exist, or a query, show as anything but text."""
    plain = Page((await send(app, target=b"/x")).text)
    form = Page((await send(app, target=b"/login?next=%2Fx")).text)
    quoted = "".join(f"%{byte:02X}" for byte in payload.encode())
    missing = await send(app, target=f"/{quoted}")
    assert missing.status == 404
    assert Page(missing.text).tags == plain.tags
    login = Page((await send(app, target=f"/login?next=%2F{quoted}")).text)
    assert login.fields.get("next", f"/{payload}") == f"/{payload}"
    assert [tag for tag in login.tags if tag != ("input", ("type", "name", "value"))] == [
        tag for tag in form.tags if tag != ("input", ("type", "name", "value"))
    ]
    assert (await send(app, target=f"/books/?after={quoted}")).status == 303


def test_templates_switch_escaping_off_for_constants_only() -> None:
    """`|safe` stands behind literals, and nothing else turns escaping off."""
    folder = Path(__file__).parents[2] / "service" / "templates"
    for path in folder.rglob("*.html"):
        source = path.read_text()
        assert "autoescape" not in source
        assert source.count("|safe") == source.count("'|safe"), path


def _texts(source: str) -> list[str]:
    class Texts(Page):
        def __init__(self) -> None:
            self.texts: list[str] = []
            super().__init__(source)

        def handle_data(self, data: str) -> None:
            self.texts.append(data)
            super().handle_data(data)

    return Texts().texts
