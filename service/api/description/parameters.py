"""The OpenAPI `parameters` of an operation, made of its declaration."""

from collections.abc import Iterator, Mapping
from typing import Any

from service.api.declarations import Nothing, Operation
from service.idempotency import LIFETIME, MAX_KEY_LENGTH
from service.security.same_origin import SAFE_METHODS
from service.web.routing import MAX_ID


def parameters(
    declared: Operation, method: str, variables: list[str], queries: Mapping[Any, dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the parameters of an operation. `queries` maps the shapes of queries to schemas."""
    found = [_variable(name) for name in variables]
    if declared.query is not Nothing:
        found += _query(queries[declared.query])
    if declared.conditional:
        found.append(_UNLESS if method in SAFE_METHODS else _ONLY_IF)
    if declared.repeatable:
        found.append(_KEY)
    return found


def _variable(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": f"The id of a {name.removesuffix('_id')}.",
        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_ID},
        "example": 42,
    }


def _query(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, field in schema["properties"].items():
        bounds = dict(field)
        yield {
            "name": name,
            "in": "query",
            "required": False,
            "description": bounds.pop("description"),
            "schema": bounds,
        }


def _header(
    name: str, description: str, example: str, schema: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": schema or {"type": "string"},
        "example": example,
    }


_UNLESS = _header(
    "If-None-Match",
    "An ETag that you have: what still has it is not sent again. Proxies may have changed it.",
    '"1-42-7"',
)
_ONLY_IF = _header(
    "If-Match",
    "The ETag of what you have seen: what was changed since is left alone (412). A form that a"
    ' proxy made of it, such as W/"1-42-7" or "1-42-7-gzip", is known again.',
    '"1-42-7"',
)
_KEY = _header(
    "Idempotency-Key",
    "Text of your own, new for each new request. The same request with the same key is done once,"
    f" and answered the same way for {LIFETIME.total_seconds() / 3600:g} hours.",
    "9f4c6f0e-6a1c-4f0e-b5b0-0d0a2f1f6c11",
    {
        "type": "string",
        # No space at either end, because HTTP servers strip it from a header.
        "pattern": rf"^[!-~]([ -~]{{0,{MAX_KEY_LENGTH - 2}}}[!-~])?$",
        "maxLength": MAX_KEY_LENGTH,
    },
)
