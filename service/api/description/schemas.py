"""JSON schemas of shapes: made by msgspec, with our names, messages and patterns added."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.inspect import DataclassType, Field, StructType, Type

from service.models import PASSWORD_MAX_LENGTH
from service.security.password_text import MAX_TYPED
from service.validation import Shape

_FOLDER = "#/components/schemas/"
_NO_NUL = r"^[^\u0000]*$"  # for every text in a body
# A schema counts the characters as sent. Up to MAX_TYPED of them become one character in NFKC.
_PASSWORDS = ("password", "current_password")
_PASSWORD_NOTE = (
    f" Its characters, at most {PASSWORD_MAX_LENGTH}, are counted in Unicode's form NFKC, in which"
    " it is kept. `maxLength` is enough for every other form."
)


def schemas(shapes: Sequence[type], min_password_length: int) -> tuple[list[Any], dict[str, Any]]:
    """Return the schemas of the shapes, and the components that they refer to, by public name.

    Raises KeyError for a class without its own `public_name` and `public_description`.
    """
    references, components = msgspec.json.schema_components(shapes, ref_template=_FOLDER + "{name}")
    kinds = {kind.__name__: kind for kind in _classes(msgspec.inspect.multi_type_info(shapes))}
    names = {name: public_name(kind) for name, kind in kinds.items()}
    found: dict[str, Any] = {}
    for name, schema in components.items():
        kind = kinds[name]
        ours = {"title": names[name], "description": vars(kind)["public_description"]}
        found[names[name]] = ours | schema | ours  # the first puts our keys in front
        if issubclass(kind, Shape):
            _describe_input(schema, kind)
    for name in ("NewUser", "UserPatch"):  # the minimum length is a setting
        if name in found:
            longest = MAX_TYPED * PASSWORD_MAX_LENGTH
            bounds = {"minLength": min_password_length, "maxLength": longest}
            found[name]["properties"]["password"].update(bounds)
    return _renamed(list(references), names), _renamed(dict(sorted(found.items())), names)


def public_name(kind: type) -> str:
    """Return a class's own `public_name`. The name of a base class would be another schema's."""
    name: str = vars(kind)["public_name"]
    return name


def _classes(part: object) -> Iterator[type]:
    """Yield all classes in a type, at any depth, of which msgspec makes components."""
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
    """Return a schema with references to public names, and with a type in each enum."""
    if isinstance(value, dict):
        typed = {"type": "string"} if "enum" in value else {}
        return typed | {key: _renamed(part, names) for key, part in value.items()}
    if isinstance(value, list):
        return [_renamed(part, names) for part in value]
    if isinstance(value, str) and value.startswith(_FOLDER):
        return _FOLDER + names[value.removeprefix(_FOLDER)]
    return value
