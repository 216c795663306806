"""The OpenAPI `responses` of an operation, made of its declaration."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from service.api.bodies import JSON
from service.api.books import BookOut
from service.api.declarations import Nothing, Operation
from service.exceptions import (
    CrossSiteError,
    DatabaseUnavailableError,
    InsufficientScopeError,
    InvalidInputError,
    NotAuthenticatedError,
    OverloadedError,
    ServiceError,
    StoppingError,
    TooManyRequestsError,
    TryLaterError,
)
from service.idempotency import StillRunningError
from service.security.same_origin import SAFE_METHODS
from service.web.errors import DETAILS, PROBLEM, code_of, status_of, title_of
from service.web.guards import HTTPS_ONLY

_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "X-Request-ID": ("What this request is called in the service's log.", {"type": "string"}),
    "ETag": ("The version of what is answered.", {"type": "string", "pattern": '^"[^"]+"$'}),
    "Location": ("Where the new thing is.", {"type": "string", "format": "uri-reference"}),
    "Link": ('The next part of the list, as rel="next", if there is one.', {"type": "string"}),
    "Idempotency-Replayed": (
        "There when this is the answer to an earlier request with the same key.",
        {"type": "string", "enum": ["true"]},
    ),
    "RateLimit": ("What is left of each limit, and the seconds until all is.", {"type": "string"}),
    "RateLimit-Policy": ("The limits that this counts against.", {"type": "string"}),
    "Retry-After": ("Seconds to wait.", {"type": "string", "pattern": "^[1-9][0-9]*$"}),
    "WWW-Authenticate": ("How to sign in.", {"type": "string", "pattern": "^Bearer"}),
}
_ALWAYS = frozenset({"X-Request-ID", "ETag", "Location", "Retry-After", "WWW-Authenticate"})


class Refusal(NamedTuple):
    """A refusal of an operation. `headers` are those that the answer always has."""

    status: int
    code: str
    text: str
    headers: tuple[str, ...] = ()

    @property
    def schema(self) -> str:
        """The name of the schema of its body."""
        return "InvalidInput" if self.code == InvalidInputError.code else "Problem"

    @property
    def example(self) -> dict[str, Any]:
        """An example of the body."""
        found = {
            "type": "about:blank",
            "title": title_of(self.status),
            "status": self.status,
            "detail": self.text,
            "code": self.code,
            "request_id": "5f0c1c52a8a94e7f",
        }
        if self.schema == "InvalidInput":
            found["errors"] = [
                {"field": "nonsense", "message": "There is no such field.", "code": "unknown"}
            ]
        return found


def refusals(declared: Operation, method: str, variables: Iterable[str]) -> list[Refusal]:
    """Return all refusals that the declaration implies, sorted by status."""
    statuses = [400, 406, 414, 431]
    kinds: list[type[ServiceError]] = [
        *(InvalidInputError, DatabaseUnavailableError, OverloadedError, StoppingError),
        *declared.errors,
    ]
    if list(variables):
        statuses.append(404)
    if declared.body is not Nothing:
        statuses += [408, 413, 415]
    if declared.scope is not None:
        kinds.append(NotAuthenticatedError)
    if declared.scope or declared.session_only or declared.token_only:
        kinds.append(InsufficientScopeError)
    if method not in SAFE_METHODS:
        kinds.append(CrossSiteError)
    if declared.repeatable:
        kinds.append(StillRunningError)
    if declared.counted:
        kinds.append(TooManyRequestsError)
    found = {Refusal(status, code_of(status), DETAILS[status]) for status in statuses}
    found.add(Refusal(403, code_of(403), HTTPS_ONLY))
    found |= {_refusal(kind) for kind in kinds}
    return sorted(found)


def good_answer(
    declared: Operation, status: int, shape: Any, schema: dict[str, Any] | None
) -> dict[str, Any]:
    """Return the OpenAPI response for a good status."""
    names = ["X-Request-ID"]
    if shape is not None and (declared.conditional or shape is BookOut):
        names.append("ETag")
    if status == 201:
        names.append("Location")
    if "next" in getattr(shape, "__struct_fields__", ()):
        names.append("Link")
    if declared.repeatable:
        names.append("Idempotency-Replayed")
    if declared.counted:
        names += ["RateLimit", "RateLimit-Policy"]
    answer: dict[str, Any] = {"description": _MEANINGS[status], "headers": headers(names)}
    if schema is not None:
        answer["content"] = {JSON: {"schema": schema}}
        if hasattr(shape, "example"):
            answer["content"][JSON]["example"] = shape.example
    return answer


_MEANINGS = {200: "Done.", 201: "Made.", 204: "Done; there is nothing to tell."}


def not_modified_answer() -> dict[str, Any]:
    """Return the OpenAPI response for 304."""
    names = ("X-Request-ID", "ETag")
    return {"description": "You have it already: nothing has changed.", "headers": headers(names)}


def refusing_answer(declared: Operation, refused: list[Refusal]) -> tuple[str, dict[str, Any]]:
    """Return a component name and the OpenAPI response for the refusals of one status.

    Operations with the same refusals get the same name, so that they share the response.
    """
    names = dict.fromkeys(name for refusal in refused for name in refusal.headers)
    if declared.counted:  # not `always`: some refusals come before the count
        names |= dict.fromkeys(("RateLimit", "RateLimit-Policy"))
    always = set.intersection(*({*refusal.headers} for refusal in refused))
    schema = {"$ref": f"#/components/schemas/{refused[0].schema}"}
    answer = {
        "description": "\n".join(f"`{refusal.code}`: {refusal.text}" for refusal in refused),
        "headers": headers(["X-Request-ID", *names], always),
        "content": {
            PROBLEM: {
                "schema": schema,
                "examples": {refusal.code: {"value": refusal.example} for refusal in refused},
            }
        },
    }
    words = "_".join(refusal.code for refusal in refused).split("_")
    kind = "Counted" if declared.counted else ""
    return kind + "".join(word.capitalize() for word in words), answer


def headers(names: Iterable[str], always: Iterable[str] = _ALWAYS) -> dict[str, Any]:
    """Return the OpenAPI headers with these names. Those in `always` are required."""
    there = {"X-Request-ID", *always}
    return {
        name: {
            "description": _HEADERS[name][0],
            "schema": _HEADERS[name][1],
            "required": name in there,
        }
        for name in names
    }


def _refusal(kind: type[ServiceError]) -> Refusal:
    headers: tuple[str, ...] = ()
    if issubclass(kind, TryLaterError):
        headers += ("Retry-After",)
    if issubclass(kind, NotAuthenticatedError | InsufficientScopeError):
        headers += ("WWW-Authenticate",)
    if issubclass(kind, TooManyRequestsError):
        headers += ("RateLimit", "RateLimit-Policy")
    return Refusal(status_of(kind), kind.code, kind.public_description, headers)
