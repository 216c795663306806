"""Text of people in sentences of ours: it cannot turn the words around it, wherever it shows."""

import json
import logging
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quart import Quart

from service.logs import JsonFormatter, TextFormatter
from service.models import access_tokens_table, books_table
from service.text.bidi import balanced, escaped, isolated
from service.web.pages import bdi, sentence
from tests.books.forms import a_book
from tests.people import ORIGIN, Person, rows
from tests.tokens.token_forms import send_form

TEMPLATES = Path("service/templates")
# Unended, and ends that would end the isolate around the text.
STRANGE = [
    "abc\u202edef",
    "abc\u202bdef",
    "abc\u2066def",
    "abc\u2067def",
    "abc\u2068def",
    "abc\u2069\u202edef",
    "\u2069\u2069\u2069\u202c",
    "\u2067\u202e\u2069\u2069\u202edef",
    "\u202a\u202b\u202d\u202e\u2066\u2067\u2068",
    "a paragraph\u2029\u202eand another",
    "\r\n\x85\u202e",
]
_OPENING = {
    "\u202a": 1,
    "\u202b": 1,
    "\u202d": 1,
    "\u202e": 1,
    "\u2066": 2,
    "\u2067": 2,
    "\u2068": 2,
}


def is_balanced(text: str) -> bool:
    """By the rules of UAX #9: each opening has its end, each end its opening."""
    waiting: list[int] = []
    for character in text:
        if kind := _OPENING.get(character):
            waiting.append(kind)
        elif kind := {"\u202c": 1, "\u2069": 2}.get(character):
            while waiting and kind == 2 and waiting[-1] == 1:
                waiting.pop()
            if not waiting or waiting.pop() != kind:
                return False
    return not waiting


@pytest.mark.parametrize("text", STRANGE)
def test_isolated(text: str) -> None:
    plain = isolated(text)
    assert plain == f"\u2068{balanced(text)}\u2069"
    assert is_balanced(balanced(text))
    assert len(plain.splitlines()) == 1


@given(st.text(st.sampled_from("a\u05d0 \u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")))
def test_balanced(text: str) -> None:
    """Nothing but directions is added or left out, and only where they do not fit."""
    found = balanced(text)
    assert is_balanced(found)
    assert re.sub("[^a\u05d0 ]", "", found) == re.sub("[^a\u05d0 ]", "", text)
    assert balanced(found) == found
    if is_balanced(text) and balanced(text + "\u2069") == text:
        assert found == text


@pytest.mark.parametrize(
    "text", ["", "Emma", "אמה", "👩‍👩‍👧", "\u2067אמה\u2069 2", "\u200f", "a\tb"]
)
def test_balanced_leaves_alone(text: str) -> None:
    assert balanced(text) == text


def test_sentence() -> None:
    """Markup in the text is text, and places are filled once."""
    assert sentence("Added {}!", "<b>{}") == "Added <bdi>&lt;b&gt;{}</bdi>!"
    assert bdi("a\u202eb") == "<bdi>a\u202eb\u202c</bdi>"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Emma אמה é 📚", "Emma אמה é 📚"),
        ("a\u202eb\u2066", "a\\u202eb\\u2066"),
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("two\r\nlines\u2029", "two\\r\\nlines\\u2029"),
        ("\x9b31m\udce9", "\\x9b31m\\udce9"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_escaped(text: str, told: str) -> None:
    assert escaped(text) == told


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_log_lines(formatter: logging.Formatter) -> None:
    """The message, its values and a traceback: one line, or lines, of what is printable."""
    text = "abc\u202edef\x1b[2J"
    try:
        raise ValueError(text)
    except ValueError as error:
        record = logging.LogRecord(
            "service", 40, "", 0, "of %s\nin two", (text,), (ValueError, error, None)
        )
    record.fields = {"path": text}
    line = formatter.format(record)
    assert line.replace("\n", "").isprintable()
    assert "abc\\u202edef\\" in line
    assert ("\n" in line) == isinstance(formatter, TextFormatter)
    assert "in two" in line.split("\n")[0]


def test_templates() -> None:
    """Text of people stands in `bdi`, in an element with a direction of its own, or in a field."""
    text = r"(?:(?:book|now|token|user)\.(?:title|author|name|email)|title)"
    output = rf"(.*?)\{{\{{ ?{text}((?:\|[^}}]+)?) ?\}}\}}"
    found = [
        (path.name, match[0], "|bdi" in match[2] or match[1].endswith('dir="auto">'))
        for path in TEMPLATES.rglob("*.html")
        if path.name != "error.html"  # its title is ours
        for match in re.finditer(output, path.read_text())
    ]
    assert len(found) > 8
    assert [place for place in found if not place[2]] == []


@pytest.mark.parametrize("text", STRANGE)
async def test_pages(app: Quart, alice: Person, text: str) -> None:
    """A title and a name, in messages, in the list and in words for screen readers."""
    title = f"x{text}"
    inside = re.escape(str(bdi(title)))
    await alice.post("/books/add", a_book(book_title=title))
    [(book_id,)] = await rows(app, books_table.c.id)
    await alice.post(f"/books/{book_id}/edit", a_book(book_title=title))
    source = await (await alice.get("/books/")).get_data(as_text=True)
    assert re.search(rf"Added new book \({inside}\)!", source)
    assert re.search(rf"Book \({inside}\) was updated!", source)
    assert len(re.findall(rf'<span class="vh"> {inside}</span>', source)) == 2
    await alice.post(f"/books/{book_id}/delete")
    source = await (await alice.get("/books/")).get_data(as_text=True)
    assert re.search(rf"Book \({inside}\) was deleted!", source)

    assert (await send_form(alice, name=title)).status_code == 201
    source = await (await alice.get("/profile/tokens")).get_data(as_text=True)
    assert re.search(rf'<span class="vh"> {inside}</span>', source)
    [(token_id,)] = await rows(app, access_tokens_table.c.id)
    await alice.post(f"/profile/tokens/{token_id}/revoke")
    source = await (await alice.get("/profile/tokens")).get_data(as_text=True)
    assert re.search(rf"Token \({inside}\) was revoked!", source)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_detail(alice: Person) -> None:
    """The one sentence for programs that quotes what they sent."""
    answer = await alice.client.post(
        "/api/v1/books",
        data=b'{"a\xe2\x80\xae": 1, "a\xe2\x80\xae": 2}',
        headers={"Origin": ORIGIN, "Content-Type": "application/json"},
    )
    assert answer.status_code == 400
    detail = json.loads(await answer.get_data())["detail"]
    assert "the name “\u2068a\u202e\u202c\u2069” twice" in detail
