"""The shape of a book as pages and programs send it."""

from typing import Annotated, ClassVar

from msgspec import Meta

from service.models import AUTHOR_MAX_LENGTH, RATING_MAX, RATING_MIN, TITLE_MAX_LENGTH
from service.validation import Shape, visible

# Lengths are in code points. A text needs a visible character. Nothing is trimmed or normalised: a
# title is checked, stored and shown exactly as it was typed.
Title = Annotated[str, visible(TITLE_MAX_LENGTH)]
Author = Annotated[str, visible(AUTHOR_MAX_LENGTH)]
Rating = Annotated[int, Meta(ge=RATING_MIN, le=RATING_MAX)]


class BookInput(Shape, frozen=True, kw_only=True):
    """The values of a new book, or all values of an edited one."""

    public_name: ClassVar = "BookInput"
    public_description: ClassVar = "A book to be added, or what an edited one becomes."

    title: Title
    author: Author
    rating: Rating | None = None

    messages: ClassVar = {
        "title": f"Enter a title of 1 to {TITLE_MAX_LENGTH} characters.",
        "author": f"Enter an author of 1 to {AUTHOR_MAX_LENGTH} characters.",
        "rating": f"Enter a whole number from {RATING_MIN} to {RATING_MAX}, or leave this empty.",
    }
    example: ClassVar = {"title": "Middlemarch", "author": "George Eliot", "rating": 5}
