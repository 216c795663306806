"""Marks on views: `access` says for whom a view is, `limit` how often. Tests read all marks."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

View = Callable[..., Awaitable[Any]]
MarkedT = TypeVar("MarkedT", bound=View)


def mark(view: MarkedT, **marks: object) -> MarkedT:
    """Set attributes of a view, and return it."""
    vars(view).update(marks)
    return view
