"""The declaration of an operation, and the calls that views of operations get."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Concatenate, Generic, NamedTuple, ParamSpec, TypeVar

from msgspec import Struct
from quart import Response

from service.api.authentication import Caller
from service.api.bodies import JSON
from service.db.statements import Connection
from service.exceptions import ServiceError
from service.limits.buckets import Limit
from service.validation import Shape


class Nothing(Shape, frozen=True, kw_only=True):
    """The shape of no query and no body."""


QueryT = TypeVar("QueryT", bound=Shape)
BodyT = TypeVar("BodyT", bound=Shape)
CallT = TypeVar("CallT")
EndpointT = TypeVar("EndpointT", bound=Callable[..., Awaitable[Response]])
Path = ParamSpec("Path")  # the variables of the address
View = Callable[Concatenate[CallT, Path], Awaitable[Response]]
Endpoint = Callable[Path, Awaitable[Response]]
Answers = Mapping[int, type | None]


class OpenCall(Struct, Generic[BodyT], frozen=True):
    """A call that needs no authentication."""

    body: BodyT


class ReadCall(Struct, Generic[QueryT], frozen=True):
    """A call that reads. `connection` is the one on which the call was authenticated."""

    caller: Caller
    connection: Connection
    query: QueryT

    @property
    def owner(self) -> int:
        """The id of the person for whom the call is made."""
        return self.caller.user.id


class WriteCall(Struct, Generic[BodyT], frozen=True):
    """A call that writes. `connection` is in a transaction, except for `at_once`."""

    caller: Caller
    connection: Connection
    body: BodyT

    @property
    def owner(self) -> int:
        """The id of the person for whom the call is made."""
        return self.caller.user.id


class SessionCall(Struct, Generic[BodyT], frozen=True):
    """A call by session, not by token. The view opens its own transactions."""

    caller: Caller
    body: BodyT


class Tag(NamedTuple):
    """A group of operations."""

    name: str
    description: str


class Operation(Struct, frozen=True, kw_only=True):
    """The declaration of an operation, as `description` reads it.

    `name` is the operationId. `scope` is None if the operation needs no authentication, and empty
    if every token will do. `answers` maps each good status to its shape, or to None for no body.
    """

    name: str
    tag: Tag
    summary: str
    description: str
    scope: str | None
    answers: Answers
    query: type[Shape] = Nothing
    body: type[Shape] = Nothing
    body_types: tuple[str, ...] = (JSON,)
    repeatable: bool = False  # accepts an Idempotency-Key
    conditional: bool = False  # has an ETag, and accepts If-Match or If-None-Match
    session_only: bool = False
    token_only: bool = False
    write_limit: Limit | None = None
    limits: tuple[Limit, ...] = ()  # the view counts against them
    reason: str = ""  # the reason why there is no limit
    errors: tuple[type[ServiceError], ...] = ()  # in addition to those that the other fields imply

    @property
    def counted(self) -> tuple[Limit, ...]:
        """All limits that a call counts against."""
        return self.limits if self.write_limit is None else (*self.limits, self.write_limit)


def declared_by(endpoint: Callable[..., Any]) -> Operation | None:
    """Return the declaration of an endpoint, or None for an endpoint that is no operation."""
    found: Operation | None = getattr(endpoint, "operation", None)
    return found
