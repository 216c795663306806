"""Shapes as JSON schemas: what msgspec makes of them, and what only we know of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.inspect import DataclassType, Field, StructType, Type

from service.models import PASSWORD_MAX_LENGTH
from service.security.password_text import MAX_TYPED
from service.shapes import Shape

_FOLDER = "#/components/schemas/"
_NO_NUL = r"^[^\u0000]*$"  # what holds for every text that is sent
# A schema counts the characters that are sent, of which up to MAX_TYPED become one that is kept.
_PASSWORDS = ("password", "current_password")
_PASSWORD_NOTE = (
    f" Its characters, at most {PASSWORD_MAX_LENGTH}, are counted in Unicode's form NFKC, in which"
    " it is kept. `maxLength` is enough for every other form."
)


def schemas(shapes: Sequence[type], min_password_length: int) -> tuple[list[Any], dict[str, Any]]:
    """The schema of each shape, and the components that they refer to, by their public names.

    Each class says its own `public_name` and `public_description`. Raises KeyError for one that
    does not.
    """
    references, components = msgspec.json.schema_components(shapes, ref_template=_FOLDER + "{name}")
    kinds = {kind.__name__: kind for kind in _classes(msgspec.inspect.multi_type_info(shapes))}
    names = {name: public_name(kind) for name, kind in kinds.items()}
    found: dict[str, Any] = {}
    for name, schema in components.items():
        kind = kinds[name]
        told = {"title": names[name], "description": vars(kind)["public_description"]}
        found[names[name]] = told | schema | told  # the first gives the order
        if issubclass(kind, Shape):
            _describe_input(schema, kind)
    for name in ("NewUser", "UserPatch"):  # the one bound that is a setting
        if name in found:
            longest = MAX_TYPED * PASSWORD_MAX_LENGTH
            bounds = {"minLength": min_password_length, "maxLength": longest}
            found[name]["properties"]["password"].update(bounds)
    return _renamed(list(references), names), _renamed(dict(sorted(found.items())), names)


def public_name(kind: type) -> str:
    """The name of a class's schema: its own, as a subclass is another schema."""
    name: str = vars(kind)["public_name"]
    return name


def _classes(part: object) -> Iterator[type]:
    """Every class that msgspec makes a component of, as deep as the types go."""
    if isinstance(part, StructType | DataclassType):
        yield part.cls
    if isinstance(part, Type | Field):
        for name in part.__struct_fields__:
            yield from _classes(getattr(part, name))
    elif isinstance(part, list | tuple):
        for each in part:
            yield from _classes(each)


def _describe_input(schema: dict[str, Any], shape: type[Shape]) -> None:
    for name, field in schema["properties"].items():
        if name in shape.messages and "$ref" not in field:
            note = _PASSWORD_NOTE if name in _PASSWORDS else ""
            field["description"] = shape.messages[name] + note
        for kind in (field, *field.get("anyOf", ())):
            if kind.get("type") == "string":
                kind.setdefault("pattern", _NO_NUL)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """The same, its references to names of classes made to public ones, and each choice typed."""
    if isinstance(value, dict):
        typed = {"type": "string"} if "enum" in value else {}
        return typed | {key: _renamed(part, names) for key, part in value.items()}
    if isinstance(value, list):
        return [_renamed(part, names) for part in value]
    if isinstance(value, str) and value.startswith(_FOLDER):
        return _FOLDER + names[value.removeprefix(_FOLDER)]
    return value
