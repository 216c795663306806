"""Marks on views: who may call it, how often. Tests walk over all views and read them."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

View = Callable[..., Awaitable[Any]]
MarkedT = TypeVar("MarkedT", bound=View)


def mark(view: MarkedT, **marks: object) -> MarkedT:
    """Set attributes of a view, and return it."""
    vars(view).update(marks)
    return view
