"""Check input against a shape: every field, with one message for each wrong one.

A shape is a msgspec Struct (decision 2). Its types have the bounds, and its `messages` have the
sentence for each field. A condition that is no bound is a rule: a function from a text to a bool,
which a type has as `extra={"rule": …}`. It is called for texts within the bounds. Pages and API
check against the same shapes. This module imports no Quart.
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

MAX_ERRORS = 100  # of one refusal: a large wrong body must not get a large answer
MAX_NAME = 100  # characters of an unknown field name that a message repeats
# Each number has one spelling: no plus sign, space, leading zero or digit of another script.
_WHOLE_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,9})", re.ASCII)
_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")

# A datetime with a time zone: in the OpenAPI document a date-time.
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
    """The base of every shape of input. Shapes of the API also have an `example`."""

    messages: ClassVar[Mapping[str, str]] = {}
    example: ClassVar[Mapping[str, Any]] = {}


ShapeT = TypeVar("ShapeT", bound=Shape)


@dataclass
class Form:
    """A form as a page shows it: the typed values, and the error of each field by its name.

    `heading` stands above the errors.
    """

    values: Mapping[str, object] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    heading: str | None = None

    @classmethod
    def refused(
        cls, values: Mapping[str, object], error: InvalidInputError, heading: str
    ) -> "Form":
        """Return the form to show again. It has the first error of each field."""
        errors: dict[str, str] = {}
        for wrong in error.errors:
            errors.setdefault(wrong.field, wrong.message)
        return cls(values, errors, heading)


def check_text(shape: type[ShapeT], texts: Mapping[str, str], *, prefix: str = "") -> ShapeT:
    """Return the shape with the values of a form, whose field names begin with `prefix`.

    An empty text means None if the field may be None. Raises InvalidInputError, in which the
    fields have the names of the form.
    """
    values = {part.name: part.read(texts.get(prefix + part.name, "")) for part in _parts(shape)}
    return check(shape, values, prefix=prefix)


def check(shape: type[ShapeT], values: Mapping[str, object], *, prefix: str = "") -> ShapeT:
    """Return the shape with these values. Raises InvalidInputError (at most MAX_ERRORS errors)."""
    errors = list(islice(_errors(shape, values, prefix), MAX_ERRORS))
    if errors:
        raise InvalidInputError(*errors)
    return msgspec.convert(values, shape)


def check_query(shape: type[ShapeT], texts: Mapping[str, Sequence[str]]) -> ShapeT:
    """Return the shape with the values of query parameters.

    Raises InvalidInputError, also for a parameter that is sent twice.
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
    """Return whether both databases can store the text: no NUL and no half of a surrogate pair."""
    return _NOT_STORABLE.search(text) is None


def storable(text: str) -> str:
    """Return the text with U+FFFD in place of each character that cannot be stored.

    For messages that repeat a text: half of a surrogate pair has no UTF-8, so many JSON parsers
    would refuse the answer.
    """
    return _NOT_STORABLE.sub("\ufffd", text)


def _is_all_storable(value: object) -> bool:
    """Return whether every text and every name in a JSON value is storable.

    Without recursion, because a value may be nested as deeply as the JSON decoder allows.
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


def _errors(shape: type[Shape], values: Mapping[str, object], prefix: str) -> Iterator[FieldError]:
    names = {shape.__struct_config__.tag_field, *(part.name for part in _parts(shape))}
    for name in values:
        if name not in names:
            field_name = storable(f"{prefix}{name}"[:MAX_NAME])
            yield FieldError(field_name, "There is no such field.", "unknown")
    for part in _parts(shape):
        name, value = prefix + part.name, values.get(part.name, msgspec.UNSET)
        if part.shapes and isinstance(value, dict):
            yield from _errors(part.shapes[0], value, f"{name}.")
            continue
        code = part.if_missing if value is msgspec.UNSET else part.error_code(value)
        if code is not None:
            message = _UNSTORABLE if code == "invalid_characters" else shape.messages[part.name]
            yield FieldError(name, message, code)
        elif part.item_shapes and isinstance(value, list):
            for number, item in enumerate(value):
                yield from _item_errors(part.item_shapes, item, f"{name}[{number}]")


def _item_errors(shapes: Sequence[type[Shape]], item: object, name: str) -> Iterator[FieldError]:
    """Yield the errors of one item of a list. The item's tag field names its shape."""
    kinds = {shape.__struct_config__.tag: shape for shape in shapes}
    field_name = shapes[0].__struct_config__.tag_field
    tag = item.get(field_name) if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(tag, str) or tag not in kinds:
        message = f"Send an object whose {field_name} is one of {', '.join(map(str, kinds))}."
        yield FieldError(name, message, "invalid")
    else:
        yield from _errors(kinds[tag], item, f"{name}.")


_UNIONS = (Union, UnionType)
_UNSTORABLE = "This holds a character that cannot be stored."


class _Part(NamedTuple):
    """The declaration of one field of a shape."""

    name: str
    kind: Any
    choices: tuple[Any, ...]
    if_missing: str | None
    rule: Callable[[str], bool] | None  # for a text
    shapes: tuple[type[Shape], ...]  # if the field is a shape
    item_shapes: tuple[type[Shape], ...]  # if the field is a list of shapes

    @property
    def outer(self) -> Any:
        """The type of the field. In a list of shapes, any items: `_item_errors` checks those."""
        if not self.item_shapes:
            return self.kind
        return Annotated[(list[Any], *get_args(self.kind)[1:])]

    def read(self, text: str) -> object:
        """Return the value that a form's text stands for, or the text if it stands for none."""
        if text == "" and NoneType in self.choices:
            return None
        if bool in self.choices:
            return text != ""
        if any(get_args(choice)[:1] == (int,) for choice in self.choices):
            return int(text) if _WHOLE_NUMBER.fullmatch(text) else text
        return text

    def error_code(self, value: object) -> str | None:
        """Return the code of the error in a value, or None."""
        # Before `msgspec.convert`: that raises UnicodeEncodeError for half of a surrogate pair.
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
    return tuple(kind for kind in choices if isinstance(kind, type) and issubclass(kind, Shape))
