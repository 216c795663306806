"""Input checked against a shape: the values that are taken, and the reasons for all others."""

from typing import Annotated, Any, ClassVar, Literal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Meta, UnsetType

from service.exceptions import FieldError, InvalidInputError
from service.validation import MAX_ERRORS, Form, Shape, check, check_query, check_text, is_storable

Text = Annotated[str, Meta(min_length=1, max_length=5)]
Number = Annotated[int, Meta(ge=-3, le=2_000_000_000)]
LARGEST = 2_000_000_000


class Flat(Shape, frozen=True, kw_only=True):
    """What a form can send."""

    text: Text
    number: Number | None = None
    tick: bool = False

    messages: ClassVar = {"text": "A text.", "number": "A number.", "tick": "Tick it or not."}


class Put(Shape, frozen=True, kw_only=True, tag_field="op", tag="put"):
    what: Flat

    messages: ClassVar = {"what": "Say what."}


class Drop(Shape, frozen=True, kw_only=True, tag_field="op", tag="drop"):
    number: Number

    messages: ClassVar = {"number": "Say which."}


class Deep(Shape, frozen=True, kw_only=True):
    """What JSON can send besides."""

    choice: Literal["a", "b"] = "a"
    choices: Annotated[list[Literal["a", "b"]], Meta(min_length=1)] | UnsetType = UNSET
    inner: Flat | UnsetType = UNSET
    steps: Annotated[list[Put | Drop], Meta(max_length=200)] = msgspec.field(default_factory=list)

    messages: ClassVar = {
        "choice": "Choose.",
        "choices": "Choose some.",
        "inner": "Send an object.",
        "steps": "Send up to 200.",
    }


class Query(Shape, frozen=True, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 25
    count: bool = False
    after: Text | UnsetType = UNSET

    messages: ClassVar = {"limit": "1 to 100.", "count": "true or false.", "after": "A place."}


def refused(function: Any, *arguments: Any, **options: Any) -> list[tuple[str, str]]:
    """Fields and codes of the refusal."""
    with pytest.raises(InvalidInputError) as caught:
        function(*arguments, **options)
    assert all(error.message for error in caught.value.errors)
    return [(error.field, error.code) for error in caught.value.errors]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"text": "x"}, Flat(text="x")),
        ({"text": " x ", "number": "7"}, Flat(text=" x ", number=7)),
        ({"text": "x", "number": "", "tick": ""}, Flat(text="x")),
        ({"text": "x", "number": "-3", "tick": "y"}, Flat(text="x", number=-3, tick=True)),
        ({"text": "x", "number": "0"}, Flat(text="x", number=0)),
        ({"text": "x", "number": str(LARGEST)}, Flat(text="x", number=LARGEST)),
        ({"text": "🦉" * 5, "other": "is not looked at"}, Flat(text="🦉" * 5)),
    ],
)
def test_form(texts: dict[str, str], expected: Flat) -> None:
    """Texts stand for numbers, ticks and nothing. Nothing is trimmed; code points are counted."""
    assert check_text(Flat, texts) == expected
    prefixed = {f"a_{name}": text for name, text in texts.items()}
    assert check_text(Flat, prefixed, prefix="a_") == expected


@pytest.mark.parametrize(
    ("texts", "errors"),
    [
        ({}, [("text", "missing")]),
        ({"text": ""}, [("text", "missing")]),
        ({"text": "x" * 6}, [("text", "invalid")]),
        ({"text": "a\0"}, [("text", "invalid_characters")]),
        *(
            ({"text": "x", "number": text}, [("number", "invalid")])
            for text in ("x", "-4", str(LARGEST + 1), "01", "+1", "1.0", " 1", "-0x1", "٣", "1e1")
        ),
        ({"number": "x"}, [("text", "missing"), ("number", "invalid")]),
    ],
)
def test_form_refused(texts: dict[str, str], errors: list[tuple[str, str]]) -> None:
    """Each wrong field is told once, as the form names it, with the shape's sentence."""
    assert refused(check_text, Flat, texts) == errors
    prefixed = {f"a_{name}": text for name, text in texts.items()}
    expected = [(f"a_{name}", code) for name, code in errors]
    assert refused(check_text, Flat, prefixed, prefix="a_") == expected


def test_messages() -> None:
    """The sentence is the shape's; of a character that cannot be stored it is one for all."""
    with pytest.raises(InvalidInputError) as caught:
        check(Flat, {"text": "\0", "number": "7", "nonsense": 1})
    told = {error.field: error.message for error in caught.value.errors}
    assert told["number"] == Flat.messages["number"]
    assert "cannot be stored" in told["text"]
    assert told["nonsense"] == "There is no such field."


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, Deep()),
        ({"choice": "b", "choices": ["b", "a", "b"]}, Deep(choice="b", choices=["b", "a", "b"])),
        ({"inner": {"text": "x", "number": None}}, Deep(inner=Flat(text="x"))),
        (
            {"steps": [{"op": "drop", "number": 1}, {"op": "put", "what": {"text": "x"}}]},
            Deep(steps=[Drop(number=1), Put(what=Flat(text="x"))]),
        ),
    ],
)
def test_values(values: dict[str, Any], expected: Deep) -> None:
    assert check(Deep, values) == expected


@pytest.mark.parametrize(
    ("values", "errors"),
    [
        ({"choice": "c"}, [("choice", "invalid")]),
        ({"choice": None}, [("choice", "missing")]),
        ({"choice": "\ud800"}, [("choice", "invalid_characters")]),
        ({"choices": []}, [("choices", "invalid")]),
        ({"choices": ["a", "c"]}, [("choices", "invalid")]),
        ({"choices": ["a", "\ud800"]}, [("choices", "invalid_characters")]),
        ({"inner": []}, [("inner", "invalid")]),
        ({"inner": {}}, [("inner.text", "missing")]),
        (
            {"inner": {"text": 5, "number": True, "tick": "y", "x": 1}},
            [
                ("inner.x", "unknown"),
                ("inner.text", "invalid"),
                ("inner.number", "invalid"),
                ("inner.tick", "invalid"),
            ],
        ),
        ({"steps": {}}, [("steps", "invalid")]),
        ({"steps": [{"op": "drop", "number": 1}] * 201}, [("steps", "invalid")]),
        (
            {"steps": [{}, 5, None, {"op": "x"}, {"op": ["put"]}]},
            [(f"steps[{number}]", "invalid") for number in range(5)],
        ),
        (
            {"steps": [{"op": "drop", "number": 1}, {"op": "put", "what": {"text": ""}, "y": 1}]},
            [("steps[1].y", "unknown"), ("steps[1].what.text", "missing")],
        ),
        ({"op": "put", "x" * 1000: 1}, [("op", "unknown"), ("x" * 100, "unknown")]),
        ({"\ud800": 1}, [("\ufffd", "unknown")]),
    ],
)
def test_values_refused(values: dict[str, Any], errors: list[tuple[str, str]]) -> None:
    """The field is named with its place, however deep it stands; none is left out."""
    assert refused(check, Deep, values) == errors


def test_errors_are_bounded() -> None:
    """A body of nonsense has no longer answer than that."""
    assert len(refused(check, Deep, {f"x{number}": 1 for number in range(1000)})) == MAX_ERRORS
    assert len(refused(check, Deep, {"steps": [{}] * 150})) == MAX_ERRORS


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({}, Query()),
        ({"limit": ["7"], "count": ["true"]}, Query(limit=7, count=True)),
        ({"count": ["false"], "after": ["7"]}, Query(after="7")),
    ],
)
def test_query(texts: dict[str, list[str]], expected: Query) -> None:
    assert check_query(Query, texts) == expected


@pytest.mark.parametrize(
    ("texts", "errors"),
    [
        ({"limit": ["7", "7"]}, [("limit", "repeated")]),
        ({"limit": [""]}, [("limit", "missing")]),
        ({"limit": ["0"], "count": ["1"]}, [("limit", "invalid"), ("count", "invalid")]),
        ({"count": [""]}, [("count", "missing")]),
        (
            {"limits": ["7"], "after": ["\0"]},
            [("limits", "unknown"), ("after", "invalid_characters")],
        ),
        ({"\ud800" * 1000: ["", ""]}, [("\ufffd" * 100, "repeated")]),
    ],
)
def test_query_refused(texts: dict[str, list[str]], errors: list[tuple[str, str]]) -> None:
    """Strict: a misspelt or repeated parameter is no other request than was meant."""
    assert refused(check_query, Query, texts) == errors


def test_form_shown_again() -> None:
    """What was typed, and the first that is wrong with each field."""
    error = InvalidInputError(
        FieldError("a", "first", "x"), FieldError("b", "other", "x"), FieldError("a", "second", "x")
    )
    form = Form.refused({"a": "1"}, error, "Not yet.")
    assert (form.values, form.errors) == ({"a": "1"}, {"a": "first", "b": "other"})
    assert form.heading == "Not yet."


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(["choice", "choices", "inner", "steps", "op", "text", "number", "tick"])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values=st.dictionaries(FIELDS, ANYTHING | st.dictionaries(FIELDS, ANYTHING), max_size=4))
def test_any_values(values: dict[str, Any]) -> None:
    """Whatever is sent is taken as the shape has it, or refused with a reason; nothing else.

    What is taken is the same again when it is sent as it was understood.
    """
    found = outcome(check, Deep, values)
    if isinstance(found, Deep):
        assert msgspec.convert(msgspec.to_builtins(found), Deep) == found
    else:
        assert found
        assert all(wrong.code and is_storable(wrong.field) for wrong in found)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(texts=st.dictionaries(st.sampled_from(["text", "number", "tick"]), st.text(max_size=7)))
def test_any_texts(texts: dict[str, str]) -> None:
    """A form's texts that are taken can be stored, and are within the bounds."""
    found = outcome(check_text, Flat, texts)
    if isinstance(found, Flat):
        assert found.text == texts["text"]
        assert 1 <= len(found.text) <= 5
        assert is_storable(found.text)
        assert found.number is None or -3 <= found.number <= LARGEST
    else:
        assert {wrong.field for wrong in found} <= {"text", "number"}


def outcome(function: Any, *arguments: Any) -> Any:
    """What the function returns, or the errors of its refusal."""
    try:
        return function(*arguments)
    except InvalidInputError as error:
        return error.errors
