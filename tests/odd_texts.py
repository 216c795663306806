"""Texts that forms and programs seldom send, for tests that no text is the service's mistake."""

import json
import operator
from urllib.parse import quote

from hypothesis import strategies as st

# Each shows nothing, alone or after others of them.
INVISIBLE = [
    *(" ", "\t\r\n", "\u00a0", "\u1680", "\u2003", "\u2028", "\u3000", "\x7f", "\x01", "\x85"),
    *("\u200b", "\u200c", "\u200d", "\u200e", "\u2060", "\u2061", "\u2065", "\u00ad", "\ufeff"),
    *("\u061c", "\u202a", "\u202e", "\u2066", "\u2069", "\u206f", "\u180e", "\ufff0", "\ufff9"),
    *("\u3164", "\u115f", "\u1160", "\uffa0", "\u2800", "\u17b4", "\u17b5", "\u034f", "\u180b"),
    *("\u180d", "\u180f", "\ufe00", "\ufe0f", "\u0301", "\u20dd", "\u093f", "\u20e3", "\U000e0100"),
    *("\U000e0001", "\U000e0041", "\U000e007f", "\U000e0fff", "\U0001bca0", "\U0001d159"),
    *("\U0001d173", "\U00013441"),
]
KNOWN = [
    *("", *INVISIBLE),
    # What a database or UTF-8 cannot hold, and what ends a character's range.
    *("\0", "\ud800", "\udfff", "\udc00\ud800", "\ufffd", "\ufffe", "\uffff", "\U0010ffff"),
    # Several spellings of one text.
    *("e\u0301", "\u00e9", "\uff50\uff41\uff53\uff53", "\u0130", "\u0131", "\u00df", "\u212a"),
    *("e\u0301" * 100, "\ufdfa", "\ufdfa" * 8, "a\u0301\u0316" * 40),
    # What another layer could take for its own.
    *("'", '"', "\\", "%", "%00", "%s", "{}", "{{7*7}}", "<b>", "$(id)", "\x1b[2J", "&a=1", "?"),
    *("..", "../x", "//x", "C:\\", "#", "'; --", "\r\nX: y"),
    # What looks like an address or a number, and words of other languages for nothing.
    *("@", "a@b", "a@b.example", "a@\u0131.com", "0", "-1", "01", "1.0", "1e309", "NaN", "\u0663"),
    *("\uff15", "9" * 400, f"{2**31}", f"{2**63}", "true", "null", "None", "undefined", "[]"),
    # What our own answers hold.
    *('"1-1-0"', 'W/"1-1-0"', "rl_x", "books:read", "create", "-created_at", "WyJ0aXRsZSIsIiIsMV0"),
]
_SURROGATES = st.integers(0xD800, 0xDFFF).map(chr)
_PARTS = st.one_of(st.sampled_from(KNOWN), st.characters(), _SURROGATES)


def _texts(first: str) -> st.SearchStrategy[str]:
    """Any text; Hypothesis tries the first everywhere before it tries others."""
    return st.one_of(
        st.sampled_from([first, *KNOWN]),
        st.lists(_PARTS, max_size=6).map("".join),
        st.builds(operator.mul, _PARTS, st.sampled_from([60, 130, 310, 510, 2000])),
    )


texts = _texts("\ud800")
# As they stand in an address or a form, where each byte is written with a percent sign; and in a
# header, whose line they cannot end. Half of a surrogate pair is no UTF-8 there and never gets far.
in_address = _texts("\0").map(lambda text: quote(text.encode(errors="surrogatepass"), safe=""))
in_header = texts.map(
    lambda text: text.encode(errors="surrogatepass").translate(None, b"\r\n")[:4000]
)


def _nested(text: str, depth: int) -> bytes:
    return b'[{"a":' * depth + json.dumps(text).encode() + b"}]" * depth


# Any JSON with such texts as names and values, as deep as a decoder goes and deeper. In ASCII:
# halves of surrogate pairs are escaped.
json_values = st.one_of(
    texts.map(lambda text: json.dumps(text).encode()),
    st.recursive(
        st.one_of(texts, st.none(), st.booleans(), st.integers(), st.floats()),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=6,
    ).map(lambda value: json.dumps(value).encode()),
    st.builds(_nested, texts, st.sampled_from([1, 2, 25, 450, 2500])),
)
