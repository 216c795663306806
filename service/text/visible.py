"""Whether a text shows anything: what a title, an author or a name must do. Knows no other module.

A text of characters that show nothing looks empty in every list, and a link of it cannot be
clicked.
"""

import unicodedata

# Of these Unicode categories nothing is visible by itself: controls, formats, surrogates, marks,
# which need a letter before them, and spaces. Private and unassigned characters are not among
# them: fonts show them, at least as a box, and an older Python takes newer emoji for unassigned.
_BLANK_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Mc", "Me", "Mn", "Zl", "Zp", "Zs"))
# Letters and symbols that have no ink, and code points that Unicode keeps free for ones that are
# to be ignored (Default_Ignorable_Code_Point).
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

# The same as a regular expression of any dialect, as far as one can say it: characters beyond
# U+FFFF have no spelling that all dialects share, and of the marks only whole blocks are named.
# A fixed text: an API's description must not depend on the Unicode tables of this Python.
_BLANK_CLASS = (
    r"\u0000-\u0020\u007f-\u00a0\u00ad\u0300-\u036f\u061c\u115f\u1160\u1680\u17b4\u17b5"
    r"\u180b-\u180f\u1dc0-\u1dff\u2000-\u200f\u2028-\u202f\u205f-\u206f\u20d0-\u20f0\u2800"
    r"\u3000\u3164\ufe00-\ufe0f\ufe20-\ufe2f\ufeff\uffa0\ufff0-\ufffb"
)
PATTERN = rf"^[^\u0000]*[^{_BLANK_CLASS}][^\u0000]*$"


def is_visible(text: str) -> bool:
    """Whether at least one character shows something. Takes no longer than the text is long."""
    # Most texts begin with a letter of ASCII, and a list asks for each of its cells.
    return "!" <= text[:1] <= "~" or any(map(_shows, text))


def visible_or(text: str, stand_in: str) -> str:
    """The text, or another in its place where it shows nothing: for rows of earlier releases."""
    return text if is_visible(text) else stand_in


def _shows(character: str) -> bool:
    return unicodedata.category(character) not in _BLANK_CATEGORIES and character not in _BLANK
