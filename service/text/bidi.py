"""Text of people inside sentences of ours: nothing in it may turn the words around it.

Unicode has characters that change the direction of the text after them (UAX #9). A title with
U+202E would turn the rest of our sentence as well. `isolated` is for plain text, such as the
subject of a mail. Pages use `service.web.pages.bdi`, and terminals and logs `escaped`.
"""

import re

_EMBEDDINGS = "\u202a\u202b\u202d\u202e"  # LRE, RLE, LRO, RLO, each ended by PDF
_END_OF_EMBEDDING = "\u202c"
_ISOLATES = "\u2066\u2067\u2068"  # LRI, RLI, FSI, each ended by PDI
_END_OF_ISOLATE = "\u2069"
_FIRST_STRONG_ISOLATE = _ISOLATES[2]
# Each of these ends a paragraph, and with it every isolate that is open.
_PARAGRAPH_ENDS = "\n\r\x1c\x1d\x1e\x85\u2029"
_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069\n\r\x1c-\x1e\x85\u2029]")
_NOT_PRINTABLE = re.compile(r"[^ -~]")


def isolated(text: str) -> str:
    """The text between U+2068 and U+2069, for a sentence in plain text.

    A printable text of ASCII is returned as it is: it turns no English words.
    """
    if text.isascii() and text.isprintable():
        return text
    return f"{_FIRST_STRONG_ISOLATE}{balanced(text)}{_END_OF_ISOLATE}"


def balanced(text: str) -> str:
    """The text with an end for each change of direction, and without ends that end nothing.

    The ends of paragraphs become spaces. Most texts are returned as they are.
    """
    if _CONTROLS.search(text) is None:
        return text
    kept: list[str] = []
    ends: list[str] = []  # of what is open, the innermost last
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
    r"""The text for a terminal or a log: what is not printable is written as \x1b or \u202e.

    That is every control character, line breaks too, and every format character.
    """
    return _NOT_PRINTABLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()
