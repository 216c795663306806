"""The OpenAPI 3.1 document, made of the declarations of operations and shapes (decision 10).

It is made at the first request for it, so that a start does not wait for it.
"""

import hashlib
import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

import msgspec
from quart import Blueprint, Quart, Response, current_app

from service.api.bodies import JSON
from service.api.conditions import not_modified
from service.api.declarations import Nothing, OpenCall, Operation, Tag, declared_by
from service.api.description.answers import (
    good_answer,
    not_modified_answer,
    refusals,
    refusing_answer,
)
from service.api.description.parameters import parameters
from service.api.description.schemas import public_name, schemas
from service.api.operations import open_operation
from service.security.same_origin import SAFE_METHODS
from service.web.context import get_settings
from service.web.errors import InvalidInput, Problem
from service.web.session_cookie import cookie_name

ADDRESS = "/api/v1/openapi.json"
MAX_AGE = 300  # seconds; the next release may change the document

blueprint = Blueprint("api_openapi", __name__, url_prefix=ADDRESS)
TAG = Tag(
    "openapi",
    "The API's description, OpenAPI 3.1, made of the declarations that check and answer.",
)

_DESCRIPTION = """\
The books you have read, for programs.

Sign in with an access token, `Authorization: Bearer rl_…`, made on your profile page or by
`POST /api/v1/tokens`. Scripts of this site's own pages may use the session's cookie instead.
Bodies are JSON in UTF-8; a name or parameter that is not described here is refused. Times are in
UTC. Every refusal is `application/problem+json` with a `code` that does not change, and the
`request_id` that the service's log knows it by. An address that is used in another way than
described answers 405, and says in `Allow` what it takes.
"""


class Route(NamedTuple):
    """An operation with its path and method."""

    path: str
    method: str
    declared: Operation

    @property
    def variables(self) -> list[str]:
        """The names of the variables in the path."""
        return re.findall(r"{(\w+)}", self.path)


@blueprint.get("")
@open_operation(
    name="get_description",
    tag=TAG,
    summary="Get this description",
    description="OpenAPI 3.1, for programs that make clients or documentation.",
    body=Nothing,
    answers={200: dict},
    conditional=True,
    reason="made once",
)
async def get_description(call: OpenCall[Nothing]) -> Response:  # noqa: ARG001 - as in all views
    """Answer with the OpenAPI document."""
    data, etag = _encoded()
    caching = {"Cache-Control": f"public, max-age={MAX_AGE}"}
    response = not_modified(etag) or Response(data, 200, {"ETag": etag}, content_type=JSON)
    response.headers.update(caching)
    return response


def document() -> dict[str, Any]:
    """Return the OpenAPI document of the current application. Callers must not change it."""
    kept = current_app.extensions
    if "openapi" not in kept:
        kept["openapi"] = _document(current_app)
    found: dict[str, Any] = kept["openapi"]
    return found


def _encoded() -> tuple[bytes, str]:
    kept = current_app.extensions
    if "openapi.json" not in kept:
        data = msgspec.json.encode(document())
        kept["openapi.json"] = (data, f'"{hashlib.sha256(data).hexdigest()[:16]}"')
    found: tuple[bytes, str] = kept["openapi.json"]
    return found


def routes(app: Quart) -> Iterator[Route]:
    """Yield all operations of the application."""
    for rule in app.url_map.iter_rules():
        declared = declared_by(app.view_functions[rule.endpoint])
        if declared is not None:
            path = re.sub(r"<id:(\w+)>", r"{\1}", rule.rule)
            [method] = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            yield Route(path, method, declared)


def _document(app: Quart) -> dict[str, Any]:
    found = list(routes(app))
    shapes = _Shapes(found)
    paths: dict[str, dict[str, Any]] = {}
    shared: dict[str, Any] = {}
    for route in found:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, shapes, shared)
    _add_links(found, paths)
    tags = dict.fromkeys(route.declared.tag for route in found)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Readlog",
            "version": "1",
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [tag._asdict() for tag in tags],
        "paths": paths,
        "components": {
            "schemas": shapes.components,
            "responses": dict(sorted(shared.items())),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "rl_…",
                    "description": "An access token, with the scopes that an operation names.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": cookie_name(),
                    "description": "Of somebody who is signed in, for this site's own pages.",
                },
            },
        },
    }


class _Shapes:
    """The schemas of all shapes, and their components."""

    def __init__(self, found: list[Route]) -> None:
        kinds: list[type] = [Problem, InvalidInput]
        for route in found:
            declared = route.declared
            kinds += (declared.query, declared.body, *filter(None, declared.answers.values()))
        kinds = [kind for kind in dict.fromkeys(kinds) if kind is not Nothing]
        plain, self.components = schemas(kinds, get_settings().password_min_length)
        self._schemas = dict(zip(kinds, plain, strict=True))
        # Query parameters are described one by one with the operation, so they are no component.
        self.queries = {
            shape: self.components.pop(public_name(shape))
            for shape in {route.declared.query for route in found} - {Nothing}
        }

    def schema(self, shape: Any) -> dict[str, Any] | None:
        """Return the schema of a shape, or None for no body."""
        return None if shape is None else self._schemas[shape]


def _operation(route: Route, shapes: _Shapes, shared: dict[str, Any]) -> dict[str, Any]:
    declared = route.declared
    described: dict[str, Any] = {
        "operationId": declared.name,
        "summary": declared.summary,
        "description": declared.description,
        "tags": [declared.tag.name],
        "security": _security(declared),
        "parameters": parameters(declared, route.method, route.variables, shapes.queries),
        "responses": {},
    }
    if declared.body is not Nothing:
        schema = shapes.schema(declared.body)
        content = {"schema": schema, "example": declared.body.example}
        described["requestBody"] = {
            "required": True,
            "content": dict.fromkeys(declared.body_types, content),
        }
    if declared.counted:
        described["x-rate-limits"] = [
            {
                "name": limit.name,
                "counts": limit.counts,
                "count": limit.count,
                "seconds": limit.period,
            }
            for limit in declared.counted
        ]
    answers = described["responses"]
    for status, shape in declared.answers.items():
        answers[str(status)] = good_answer(declared, status, shape, shapes.schema(shape))
    if declared.conditional and route.method in SAFE_METHODS:
        answers["304"] = not_modified_answer()
    refused = refusals(declared, route.method, route.variables)
    for status, group in groupby(refused, key=lambda refusal: refusal.status):
        name, answer = refusing_answer(declared, list(group))
        shared[name] = answer
        answers[str(status)] = {"$ref": f"#/components/responses/{name}"}
    return described


def _security(declared: Operation) -> list[dict[str, list[str]]]:
    if declared.scope is None:
        return []
    session: dict[str, list[str]] = {"session": []}
    if declared.session_only:
        return [session]
    token = {"token": [declared.scope] if declared.scope else []}
    return [token] if declared.token_only else [token, session]


def _add_links(found: list[Route], paths: dict[str, dict[str, Any]]) -> None:
    """Add links from operations that create a resource to the operations on that resource."""
    for maker in found:
        if 201 not in maker.declared.answers:
            continue
        answer = paths[maker.path][maker.method.lower()]["responses"]["201"]
        for route in found:
            if re.fullmatch(re.escape(maker.path) + r"/{\w+}", route.path):
                name = route.declared.name
                given = {route.variables[0]: "$response.body#/id"}
                if "ETag" in answer["headers"] and route.method not in SAFE_METHODS:
                    given["header.If-Match"] = "$response.header.ETag"
                link = {"operationId": name, "parameters": given}
                answer.setdefault("links", {})[name] = link
