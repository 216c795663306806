"""Puts texts of people into our sentences, so that they cannot change the words around them.

Unicode has characters that change the direction of the text after them (UAX #9). A title with
U+202E would reverse the rest of our sentence as well. `isolated` is for plain text, such as the
subject of a mail. Pages use `service.web.pages.bdi`; terminals and logs use `escaped`.
"""

import re

_EMBEDDINGS = "\u202a\u202b\u202d\u202e"  # LRE, RLE, LRO, RLO, each ended by PDF
_END_OF_EMBEDDING = "\u202c"
_ISOLATES = "\u2066\u2067\u2068"  # LRI, RLI, FSI, each ended by PDI
_END_OF_ISOLATE = "\u2069"
_FIRST_STRONG_ISOLATE = _ISOLATES[2]
# Each of these characters ends a paragraph, and thereby every open isolate.
_PARAGRAPH_ENDS = "\n\r\x1c\x1d\x1e\x85\u2029"
_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069\n\r\x1c-\x1e\x85\u2029]")
_NOT_PRINTABLE = re.compile(r"[^ -~]")


def isolated(text: str) -> str:
    """Return the text between U+2068 and U+2069, for a sentence in plain text.

    Printable ASCII is returned unchanged: it cannot change the direction of English words.
    """
    if text.isascii() and text.isprintable():
        return text
    return f"{_FIRST_STRONG_ISOLATE}{balanced(text)}{_END_OF_ISOLATE}"


def balanced(text: str) -> str:
    """Return the text with an end for each change of direction, and without surplus ends.

    The ends of paragraphs become spaces. Most texts are returned unchanged.
    """
    if _CONTROLS.search(text) is None:
        return text
    kept: list[str] = []
    ends: list[str] = []  # the ends that are missing so far, the innermost last
    for character in text:
        if character in _EMBEDDINGS:
            ends.append(_END_OF_EMBEDDING)
        elif character in _ISOLATES:
            ends.append(_END_OF_ISOLATE)
        elif character == _END_OF_EMBEDDING:
            if ends[-1:] != [_END_OF_EMBEDDING]:
                continue
            ends.pop()
        elif character == _END_OF_ISOLATE:
            if _END_OF_ISOLATE not in ends:
                continue
            while ends.pop() != _END_OF_ISOLATE:
                pass  # the end of an isolate ends the embeddings in it
        elif character in _PARAGRAPH_ENDS:
            character = " "
        kept.append(character)
    return "".join([*kept, *reversed(ends)])


def escaped(text: str) -> str:
    r"""Return the text for a terminal or a log; other than printable characters become escapes.

    The escapes are those of Python, such as \x1b and \u202e. Control characters, line breaks and
    format characters are not printable.
    """
    return _NOT_PRINTABLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()
