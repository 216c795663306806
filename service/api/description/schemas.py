"""Shapes as JSON schemas: what msgspec makes of them, and what only we know of them."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from service.models import PASSWORD_MAX_LENGTH
from service.security.password_text import MAX_TYPED
from service.shapes import Shape

# For those who generate clients, where our own name says too much or too little.
NAMES = {
    "BookRow": "Book",
    "UserOut": "User",
    "SessionOut": "Session",
    "TokenOut": "Token",
    "NewTokenOut": "NewToken",
    "Create": "BatchCreate",
    "Replace": "BatchReplace",
    "Update": "BatchUpdate",
    "Delete": "BatchDelete",
    "Result": "BatchResult",
    "Results": "BatchResults",
    "Refusal": "BatchRefusal",
}
_FOLDER = "#/components/schemas/"
_NO_NUL = r"^[^\u0000]*$"  # what holds for every text that is sent
# A schema counts the characters that are sent, of which up to MAX_TYPED become one that is kept.
_PASSWORDS = ("password", "current_password")
_PASSWORD_NOTE = (
    f" Its characters, at most {PASSWORD_MAX_LENGTH}, are counted in Unicode's form NFKC, in which"
    " it is kept. `maxLength` is enough for every other form."
)


def schemas(shapes: Sequence[Any], min_password_length: int) -> tuple[list[Any], dict[str, Any]]:
    """The schema of each shape, and the components that they refer to, by their public names."""
    references, components = msgspec.json.schema_components(shapes, ref_template=_FOLDER + "{name}")
    inputs = {shape.__name__: shape for shape in _inputs(Shape)}
    for name, schema in components.items():
        if name in inputs:
            _describe_input(schema, inputs[name])
    for name in ("NewUser", "UserPatch"):  # the one bound that is a setting
        if name in components:
            longest = MAX_TYPED * PASSWORD_MAX_LENGTH
            bounds = {"minLength": min_password_length, "maxLength": longest}
            components[name]["properties"]["password"].update(bounds)
    found = {NAMES.get(name, name): schema for name, schema in components.items()}
    for name, schema in found.items():
        schema["title"] = name
    return _renamed(list(references)), _renamed(dict(sorted(found.items())))


def _inputs(shape: type[Shape]) -> Iterator[type[Shape]]:
    for kind in shape.__subclasses__():
        yield kind
        yield from _inputs(kind)


def _describe_input(schema: dict[str, Any], shape: type[Shape]) -> None:
    for name, field in schema["properties"].items():
        if name in shape.messages and "$ref" not in field:
            note = _PASSWORD_NOTE if name in _PASSWORDS else ""
            field["description"] = shape.messages[name] + note
        for kind in (field, *field.get("anyOf", ())):
            if kind.get("type") == "string":
                kind.setdefault("pattern", _NO_NUL)


def _renamed(value: Any) -> Any:
    """The same, its references to names of ours made to public ones, and each choice typed."""
    if isinstance(value, dict):
        typed = {"type": "string"} if "enum" in value else {}
        return typed | {key: _renamed(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_renamed(part) for part in value]
    if isinstance(value, str) and value.startswith(_FOLDER):
        name = value.removeprefix(_FOLDER)
        return _FOLDER + NAMES.get(name, name)
    return value
