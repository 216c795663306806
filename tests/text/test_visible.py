"""Which texts show something, and which look like none."""

import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.text.visible import PATTERN, is_visible, visible_or
from tests.odd_texts import INVISIBLE

VISIBLE = [
    *(
        "x",
        "0",
        "?",
        "$",
        "\u00e9",
        "e\u0301",
        "\u6218",
        "\u0627",
        "\u0915\u093f",
        "\ud55c",
        "\u2801",
    ),
    *("\U0001f989", "\U0001f1e9\U0001f1ea", "\u263a\ufe0f", "\u303f", "\u2422", "\ufffd", "\u00a8"),
    *("\u200bx", "\u202ex", " \u3164.", "\u115f\u3131"),
    # An older Python knows nothing of the newest emoji; a font may have private characters.
    *("\U0001fae9", "\ue000", "\uf8ff", "\U0010ffff"),
]


@pytest.mark.parametrize("text", VISIBLE, ids=ascii)
def test_visible(text: str) -> None:
    assert is_visible(text)
    assert re.search(PATTERN, text)
    assert visible_or(text, "nothing") == text


@pytest.mark.parametrize("text", INVISIBLE, ids=ascii)
def test_invisible(text: str) -> None:
    assert not is_visible(text)
    assert not is_visible(text * 100)
    assert visible_or(text, "nothing") == "nothing"


@given(st.lists(st.sampled_from([*INVISIBLE, *VISIBLE])))
def test_one_that_shows_is_enough(parts: list[str]) -> None:
    assert is_visible("".join(parts)) == any(part in VISIBLE for part in parts)


def test_every_character() -> None:
    """Letters, numbers, punctuation and symbols show; marks, spaces and formats do not."""
    blank = set()
    for number in range(sys.maxunicode + 1):
        category = unicodedata.category(chr(number))
        if category[0] in "LNPS" and not is_visible(chr(number)):
            blank.add(number)
        assert not (category[0] in "MZ" or category in ("Cc", "Cf", "Cs")) or (
            not is_visible(chr(number))
        )
    known = {0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0, 0x13441, 0x13442, 0x1D159}
    assert blank <= known
    assert blank >= known - {0x13441, 0x13442}  # from Unicode 15 on


def test_pattern() -> None:
    """Whatever it refuses is invisible. What it does not know are marks, and what is rare."""
    unknown = set()
    for number in {*range(1, 0xD800), *range(0xE000, sys.maxunicode + 1)}:
        by_pattern = re.search(PATTERN, chr(number)) is not None
        assert by_pattern or not is_visible(chr(number)), hex(number)
        if by_pattern and not is_visible(chr(number)) and number < 0x10000:
            unknown.add(unicodedata.category(chr(number)))
    assert unknown <= {"Mn", "Mc", "Me", "Cf"}
    assert PATTERN.isascii()
    for text in ("", "\0", "x\0"):
        assert re.search(PATTERN, text) is None
