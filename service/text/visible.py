"""Checks that a text is visible, as titles, authors and names must be. Imports no other module.

A text of invisible characters looks empty in every list, and a link with this text cannot be
clicked.
"""

import unicodedata

# Characters of these Unicode categories are invisible: controls, formats, surrogates, spaces, and
# marks, which need a letter before them. Private and unassigned characters count as visible: fonts
# show at least a box, and for an older Python newer emoji are unassigned.
_BLANK_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Mc", "Me", "Mn", "Zl", "Zp", "Zs"))
# Letters and symbols without ink, and code points that Unicode reserves for future invisible
# characters (Default_Ignorable_Code_Point).
_BLANK_RANGES = (
    (0x115F, 0x1160),  # Hangul fillers
    (0x2065, 0x2065),
    (0x2800, 0x2800),  # the Braille pattern without dots
    (0x3164, 0x3164),  # Hangul filler
    (0xFFA0, 0xFFA0),  # the same in half width
    (0xFFF0, 0xFFF8),
    (0x13441, 0x13442),  # blanks between hieroglyphs
    (0x1D159, 0x1D159),  # the note without a head
    (0xE0000, 0xE0FFF),
)
_BLANK = frozenset(
    chr(number) for first, last in _BLANK_RANGES for number in range(first, last + 1)
)

# An approximation of `is_visible` as a regular expression for every dialect. Characters above
# U+FFFF are missing, because the dialects do not share a notation for them, and marks are listed
# by blocks. The text is fixed, because the API's description must not depend on the Unicode tables
# of this Python.
_BLANK_CLASS = (
    r"\u0000-\u0020\u007f-\u00a0\u00ad\u0300-\u036f\u061c\u115f\u1160\u1680\u17b4\u17b5"
    r"\u180b-\u180f\u1dc0-\u1dff\u2000-\u200f\u2028-\u202f\u205f-\u206f\u20d0-\u20f0\u2800"
    r"\u3000\u3164\ufe00-\ufe0f\ufe20-\ufe2f\ufeff\uffa0\ufff0-\ufffb"
)
PATTERN = rf"^[^\u0000]*[^{_BLANK_CLASS}][^\u0000]*$"


def is_visible(text: str) -> bool:
    """Return whether at least one character is visible. The time is linear in the length."""
    # Fast for a first character of ASCII, as most texts have: a list checks each of its cells.
    return "!" <= text[:1] <= "~" or any(map(_shows, text))


def visible_or(text: str, stand_in: str) -> str:
    """Return the text, or `stand_in` if it is invisible, as a row of an earlier release may be."""
    return text if is_visible(text) else stand_in


def _shows(character: str) -> bool:
    return unicodedata.category(character) not in _BLANK_CATEGORIES and character not in _BLANK
