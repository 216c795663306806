"""Entity tags that come back through a proxy."""

from collections.abc import Callable

import pytest

from service.web.etags import is_known, opaque_tags
from tests.etags import FORMS, OTHERS

ETAG = '"1-42-7"'


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_known(form: Callable[[str], str]) -> None:
    """A form that a proxy makes of our ETag is our ETag, alone and among others."""
    for header in (form(ETAG), f'"x", {form(ETAG)}', f'{form(ETAG)},W/"y"', f" {form(ETAG)} "):
        assert is_known(header, ETAG), header


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_unknown(other: Callable[[str], str]) -> None:
    """Any other tag is none of ours."""
    assert not is_known(other(ETAG), ETAG)


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ("", []),
        ("*", []),
        ("garbage", []),
        ('"', []),
        ('""', [""]),
        ('"a", W/"b"', ["a", "b"]),
        ('"a,b"', ["a,b"]),
        ('"a b"', []),
        ('"\xe9"', ["\xe9"]),
    ],
)
def test_opaque_tags(header: str, tags: list[str]) -> None:
    assert opaque_tags(header) == tags
