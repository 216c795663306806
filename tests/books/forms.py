"""The book form as tests fill it."""

import pytest

from service.models import AUTHOR_MAX_LENGTH, TITLE_MAX_LENGTH
from tests.odd_texts import INVISIBLE

TITLE_MESSAGE = f"Enter a title of 1 to {TITLE_MAX_LENGTH} characters."
AUTHOR_MESSAGE = f"Enter an author of 1 to {AUTHOR_MAX_LENGTH} characters."
RATING_MESSAGE = "Enter a whole number from 1 to 5, or leave this empty."
UNSTORABLE = "This holds a character that cannot be stored."

# Field, value, and the message that belongs beside it.
WRONG = [
    *(("book_title", value, TITLE_MESSAGE) for value in ("", "   ", "\u3000\t", "x" * 501)),
    *(("book_author", value, AUTHOR_MESSAGE) for value in ("", " \u00a0", "x" * 301)),
    *(
        pytest.param("book_rating", value, RATING_MESSAGE, id=f"rating {value[:9]!a}")
        for value in (
            *("0", "6", "99", "-1", "-0", "+1", "01", " 1", "1 ", "1.0", "1e0", "1e3"),
            *("١", "５", "Ⅳ", "five", "true", "NaN", "null", "None", "0x1", "1_0"),
            *(str(2**31), str(2**63), "9" * 5000),
        )
    ),
    # What shows nothing is nothing: alone, many, and of several kinds (F19).
    *(("book_title", text, TITLE_MESSAGE) for text in INVISIBLE if "\n" not in text),
    *(
        ("book_author", text, AUTHOR_MESSAGE)
        for text in ("\u200b" * 300, "\u3164 \u2800\ufe0f\u202e")
    ),
    ("book_title", "Middle\0march", UNSTORABLE),
    ("book_author", "\0", UNSTORABLE),
    ("book_rating", "5\0", UNSTORABLE),
]


def a_book(**changes: str) -> dict[str, str]:
    return {
        "book_title": "Middlemarch",
        "book_author": "George Eliot",
        "book_rating": "5",
    } | changes
