"""The way to put ASGI middleware around the application."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar, cast

from quart import Quart

from service.asgi import ASGIApp

P = ParamSpec("P")
Middleware = TypeVar("Middleware", bound=ASGIApp)


def wrap(
    app: Quart,
    make: Callable[Concatenate[ASGIApp, P], Middleware],
    *arguments: P.args,
    **options: P.kwargs,
) -> Middleware:
    """Put a new middleware around those that the application has, and return it."""
    middleware = make(cast(ASGIApp, app.asgi_app), *arguments, **options)
    app.asgi_app = middleware  # type: ignore[method-assign, assignment]
    return middleware
