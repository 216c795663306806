"""Checks input against a shape: every field, with one message for each that is wrong.

A shape is a msgspec Struct: its types carry the bounds, its `messages` the sentence that tells a
person about each. Pages and API check against the same shapes. No quart here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import NoneType
from typing import Any, ClassVar, NamedTuple, TypeVar, get_args

import msgspec

from service.exceptions import FieldError, InvalidInputError

# One spelling for each number: no sign, space, leading zero or digit of another script.
_WHOLE_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,9})", re.ASCII)


class Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of every shape of input."""

    messages: ClassVar[Mapping[str, str]] = {}


ShapeT = TypeVar("ShapeT", bound=Shape)


@dataclass
class Form:
    """A form as a page shows it: what was typed, and what is wrong with it."""

    values: Mapping[str, object] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None

    @classmethod
    def refused(
        cls, values: Mapping[str, object], error: InvalidInputError, problem: str
    ) -> "Form":
        """The form to show again; where a field has several errors, the first is told."""
        errors: dict[str, str] = {}
        for wrong in error.errors:
            errors.setdefault(wrong.field, wrong.message)
        return cls(values, errors, problem)


def check_text(shape: type[ShapeT], texts: Mapping[str, str], *, prefix: str = "") -> ShapeT:
    """The shape filled from a form's texts, whose names are the shape's with `prefix` before them.

    An empty text stands for null where a field may be null. Raises InvalidInputError, its fields
    named as the form names them.
    """
    values = {part.name: part.read(texts.get(prefix + part.name, "")) for part in _parts(shape)}
    return check(shape, values, prefix=prefix)


def check(shape: type[ShapeT], values: Mapping[str, object], *, prefix: str = "") -> ShapeT:
    """The shape filled from typed values. Raises InvalidInputError that names all wrong fields."""
    errors = []
    for part in _parts(shape):
        problem = part.problem(values[part.name]) if part.name in values else part.if_missing
        if problem is not None:
            message = _UNSTORABLE if problem == "invalid_characters" else shape.messages[part.name]
            errors.append(FieldError(prefix + part.name, message, problem))
    if errors:
        raise InvalidInputError(*errors)
    return msgspec.convert(values, shape)


def is_storable(text: str) -> bool:
    """Whether both databases can hold the text: no NUL, and no half of a surrogate pair."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_UNSTORABLE = "This holds a character that cannot be stored."


class _Part(NamedTuple):
    """What a shape says about one of its fields."""

    name: str
    type: Any
    choices: tuple[Any, ...]
    if_missing: str | None

    def read(self, text: str) -> object:
        """The value that a text of a form stands for; one that stands for none stays a text."""
        if text == "" and NoneType in self.choices:
            return None
        if bool in self.choices:
            return text != ""
        if any(get_args(choice)[:1] == (int,) for choice in self.choices):
            return int(text) if _WHOLE_NUMBER.fullmatch(text) else text
        return text

    def problem(self, value: object) -> str | None:
        """The code of what is wrong with a value, or None."""
        if isinstance(value, str) and not is_storable(value):
            return "invalid_characters"
        try:
            msgspec.convert(value, self.type)
        except msgspec.ValidationError:
            return "missing" if value in ("", None) else "invalid"
        return None


@cache
def _parts(shape: type[Shape]) -> tuple[_Part, ...]:
    return tuple(
        _Part(
            name=info.name,
            type=info.type,
            choices=get_args(info.type) if NoneType in get_args(info.type) else (info.type,),
            if_missing="missing" if info.required else None,
        )
        for info in msgspec.structs.fields(shape)
    )
