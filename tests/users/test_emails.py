"""Which addresses are one account's, and which none's."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.exceptions import InvalidInputError
from service.users.accounts import fold_email
from service.users.forms import canonical_email


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("bob@example.com", "bob@example.com"),
        ("Bob@Example.COM", "bob@example.com"),
        ("bob.o'hara+books@example.com", "bob.o'hara+books@example.com"),
        ("bob@bücher.example.com", "bob@xn--bcher-kva.example.com"),
        ("bob@BÜCHER.example.com", "bob@xn--bcher-kva.example.com"),
        ("bob@bu\u0308cher.example.com", "bob@xn--bcher-kva.example.com"),
        ("bob@xn--bcher-kva.example.com", "bob@xn--bcher-kva.example.com"),
    ],
)
def test_email_canonical(typed: str, canonical: str) -> None:
    """Case, and how a domain in another script is written, make no second account."""
    assert canonical_email(typed) == canonical
    assert fold_email(typed) == canonical
    assert canonical_email(canonical) == canonical


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "bob",
        "bob@",
        "@example.com",
        "bob@@example.com",
        "bob@localhost",
        "bob@example",
        "bob@-example.com",
        "bob@example..com",
        ".bob@example.com",
        "bob..b@example.com",
        "bob b@example.com",
        "bob@exam ple.com",
        "bob@[127.0.0.1]",
        '"bob"@example.com',
        "Bob <bob@example.com>",
        "bob@example.com,eve@example.com",
        "bob@example.com\r\nBcc: eve@example.com",
        "bob@example.com\neve@example.com",
        "bob@example.com\u2028",
        "bob%0a@exam%0aple.com",
        "bob\0@example.com",
        "bob\u202e@example.com",
    ],
)
def test_email_refused(typed: str) -> None:
    """What could reach nobody, several people or a mail's headers is no address."""
    with pytest.raises(InvalidInputError) as caught:
        canonical_email(typed)
    assert [wrong.field for wrong in caught.value.errors] == ["email"]


@pytest.mark.parametrize(
    "lookalike",
    [
        "m\u0131ke@example.com",  # dotless i, which upper case makes I
        "mi\u212ae@example.com",  # the Kelvin sign, which lower case makes k
        "\uff4dike@example.com",  # full width
        "m\u0456ke@example.com",  # Cyrillic
        "mike\uff20example.com",
        "mike@example.com\u200b",
        "mi\u00adke@example.com",
    ],
)
def test_email_lookalike(lookalike: str) -> None:
    """Letters that fold into others never lead to the other's account."""
    assert fold_email(lookalike) != "mike@example.com"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=254))
@settings(max_examples=200, deadline=None)
def test_email_any_text_folds(text: str) -> None:
    """Signing in with any text at all fails politely."""
    folded = fold_email(text)
    assert fold_email(folded) == folded
