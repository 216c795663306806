"""Checks input against a shape: every field, with one message for each that is wrong.

A shape is a msgspec Struct: its types carry the bounds, its `messages` the sentence that tells a
person about each. What a bound cannot say is a rule: a function of a text, which a type carries as
`extra={"rule": …}`, and which is asked about texts within the bounds. Pages and API check
against the same shapes. No quart here.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from itertools import islice
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec

from service.exceptions import FieldError, InvalidInputError
from service.text.visible import PATTERN, is_visible

MAX_ERRORS = 100  # told at once: a body of nonsense must not have a longer answer
MAX_NAME = 100  # characters of an unknown name that are told
# One spelling for each number: no sign, space, leading zero or digit of another script.
_WHOLE_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,9})", re.ASCII)
_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")

# An aware time, which the API's description calls a date-time.
Time = Annotated[datetime, msgspec.Meta(tz=True)]


def visible(longest: int) -> msgspec.Meta:
    """Return the bounds of a text with a visible character: 1 to `longest` code points."""
    return msgspec.Meta(
        min_length=1,
        max_length=longest,
        extra={"rule": is_visible},
        extra_json_schema={"pattern": PATTERN},
    )


class Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of every shape of input. What programs send has an `example`."""

    messages: ClassVar[Mapping[str, str]] = {}
    example: ClassVar[Mapping[str, Any]] = {}


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
    """The shape filled from typed values. Raises InvalidInputError that names what is wrong."""
    errors = list(islice(_problems(shape, values, prefix), MAX_ERRORS))
    if errors:
        raise InvalidInputError(*errors)
    return msgspec.convert(values, shape)


def check_query(shape: type[ShapeT], texts: Mapping[str, Sequence[str]]) -> ShapeT:
    """The shape filled from the parameters of an address, each given once at most.

    Raises InvalidInputError.
    """
    parts = {part.name: part for part in _parts(shape)}
    values: dict[str, object] = {}
    for name, [text, *others] in texts.items():
        if others:
            wrong = FieldError(storable(name[:MAX_NAME]), "Give this once.", "repeated")
            raise InvalidInputError(wrong)
        part = parts.get(name)
        if part is not None and bool in part.choices:
            values[name] = {"true": True, "false": False}.get(text, text)
        else:
            values[name] = text if part is None or text == "" else part.read(text)
    return check(shape, values)


def is_storable(text: str) -> bool:
    """Whether both databases can hold the text: no NUL, and no half of a surrogate pair."""
    return _NOT_STORABLE.search(text) is None


def storable(text: str) -> str:
    """The text with U+FFFD for each character that cannot be stored, so that a message can name it.

    Half of a surrogate pair has no UTF-8: many JSON parsers refuse an answer that holds one.
    """
    return _NOT_STORABLE.sub("\ufffd", text)


def _is_all_storable(value: object) -> bool:
    """Whether every text of a JSON value is, names too, however deep.

    Without recursion: a value may be nested as deep as the JSON decoder allows.
    """
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            if not is_storable(part):
                return False
        elif isinstance(part, dict):
            waiting += [*part, *part.values()]
        elif isinstance(part, list):
            waiting += part
    return True


def _problems(
    shape: type[Shape], values: Mapping[str, object], prefix: str
) -> Iterator[FieldError]:
    names = {shape.__struct_config__.tag_field, *(part.name for part in _parts(shape))}
    for name in values:
        if name not in names:
            field_name = storable(f"{prefix}{name}"[:MAX_NAME])
            yield FieldError(field_name, "There is no such field.", "unknown")
    for part in _parts(shape):
        name, value = prefix + part.name, values.get(part.name, msgspec.UNSET)
        if part.shapes and isinstance(value, dict):
            yield from _problems(part.shapes[0], value, f"{name}.")
            continue
        problem = part.if_missing if value is msgspec.UNSET else part.problem(value)
        if problem is not None:
            message = _UNSTORABLE if problem == "invalid_characters" else shape.messages[part.name]
            yield FieldError(name, message, problem)
        elif part.item_shapes and isinstance(value, list):
            for number, item in enumerate(value):
                yield from _item_problems(part.item_shapes, item, f"{name}[{number}]")


def _item_problems(shapes: Sequence[type[Shape]], item: object, name: str) -> Iterator[FieldError]:
    """What is wrong with one of a list of shapes, which a tag tells apart."""
    kinds = {shape.__struct_config__.tag: shape for shape in shapes}
    field_name = shapes[0].__struct_config__.tag_field
    tag = item.get(field_name) if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(tag, str) or tag not in kinds:
        message = f"Send an object whose {field_name} is one of {', '.join(map(str, kinds))}."
        yield FieldError(name, message, "invalid")
    else:
        yield from _problems(kinds[tag], item, f"{name}.")


_UNIONS = (Union, UnionType)
_UNSTORABLE = "This holds a character that cannot be stored."


class _Part(NamedTuple):
    """What a shape says about one of its fields."""

    name: str
    kind: Any
    choices: tuple[Any, ...]
    if_missing: str | None
    rule: Callable[[str], bool] | None  # of a text
    shapes: tuple[type[Shape], ...]  # where it is a shape itself
    item_shapes: tuple[type[Shape], ...]  # where it is a list of shapes

    @property
    def outer(self) -> Any:
        """The type without what is looked at by itself: the shapes in a list."""
        if not self.item_shapes:
            return self.kind
        return Annotated[(list[Any], *get_args(self.kind)[1:])]

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
        # Before msgspec sees it, which raises UnicodeEncodeError for half of a surrogate pair.
        is_list_of_shapes = bool(self.item_shapes) and isinstance(value, list)
        if not is_list_of_shapes and not _is_all_storable(value):
            return "invalid_characters"
        try:
            msgspec.convert(value, self.outer)
        except msgspec.ValidationError:
            return "missing" if value in ("", None) else "invalid"
        if self.rule is not None and isinstance(value, str) and not self.rule(value):
            return "invalid"
        return None


@cache
def _parts(shape: type[Shape]) -> tuple[_Part, ...]:
    parts = []
    for info in msgspec.structs.fields(shape):
        choices = _choices(info.type)
        bare = get_args(info.type)[0] if get_origin(info.type) is Annotated else info.type
        items = get_args(bare)[0] if get_origin(bare) is list else None
        parts.append(
            _Part(
                name=info.name,
                kind=info.type,
                choices=choices,
                if_missing="missing" if info.required else None,
                rule=_rule(choices),
                shapes=_shapes(choices),
                item_shapes=_shapes(_choices(items)),
            )
        )
    return tuple(parts)


def _choices(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in _UNIONS else (kind,)


def _rule(choices: tuple[Any, ...]) -> Callable[[str], bool] | None:
    """Return the rule of a text type beyond its bounds, or None."""
    notes = (note for choice in choices for note in getattr(choice, "__metadata__", ()))
    rules = ((note.extra or {}).get("rule") for note in notes if isinstance(note, msgspec.Meta))
    return next(filter(None, rules), None)


def _shapes(choices: tuple[Any, ...]) -> tuple[type[Shape], ...]:
    return tuple(it for it in choices if isinstance(it, type) and issubclass(it, Shape))
