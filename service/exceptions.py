"""Refusals, the same for each door; `service.web.errors` turns them into answers."""

from math import ceil
from typing import ClassVar

from msgspec import Struct


class ServiceError(Exception):
    """The base of every refusal. Its text is for the person who asked.

    The API's description shows `code` and `public_description`. A refusal that an operation
    declares must have both.
    """

    code = "REFUSED"
    public_description: ClassVar[str]


class NotFoundError(ServiceError):
    """The requested thing does not exist, or belongs to somebody else."""

    code = "NOT_FOUND"


class ConflictError(ServiceError):
    """The change is not possible beside the data that is stored already."""

    code = "CONFLICT"


class ChangedMeanwhileError(ServiceError):
    """The thing has changed since the caller read it, so the request changed nothing."""

    code = "CHANGED_MEANWHILE"


class NotAuthenticatedError(ServiceError):
    """The request does not say who the caller is, or not in a valid way."""

    code = "NOT_AUTHENTICATED"
    public_description = "The request does not say who the caller is, or not in a valid way."
    challenge = "Bearer"  # the value of the header WWW-Authenticate (RFC 6750)


class AccountDeletedError(NotAuthenticatedError):
    """The account was deleted after the request had been authenticated."""

    def __init__(self) -> None:
        super().__init__("This account was deleted.")


class InsufficientScopeError(ServiceError):
    """The token is valid, but does not allow this request.

    `scope` is the missing scope, or None if no scope would allow it.
    """

    code = "INSUFFICIENT_SCOPE"
    public_description = "The token is valid, but does not allow this request."

    def __init__(self, message: str, scope: str | None = None) -> None:
        super().__init__(message)
        self.scope = scope


class CrossSiteError(ServiceError):
    """The request changes something and does not prove that it comes from our own pages."""

    code = "CROSS_SITE"
    public_description = (
        "The request changes something and does not prove that it comes from our own pages."
    )


class FieldError(Struct, frozen=True):
    """One error of one field: a sentence for people, and a code for programs."""

    public_name: ClassVar = "FieldError"
    public_description: ClassVar = (
        "One error of one field: a sentence for people, and a code for programs."
    )

    field: str
    message: str
    code: str


class InvalidInputError(ServiceError):
    """Some fields are not accepted, and nothing was changed."""

    code = "INVALID_INPUT"
    public_description = "Some fields are not accepted, and nothing was changed."

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("Some of what was sent cannot be accepted.")
        self.errors = errors


def whole_seconds(seconds: float) -> int:
    """Round up, but ignore less than half a millisecond: that is rounding error of floats."""
    return ceil(round(seconds, 3))


class TryLaterError(ServiceError):
    """The request may succeed later. `retry_after` is in whole seconds, rounded up, at least 1."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = max(1, whole_seconds(retry_after))


class TooManyRequestsError(TryLaterError):
    """A limit was reached. After `retry_after` seconds it allows a request again."""

    code = "TOO_MANY_REQUESTS"
    public_description = "A limit was reached."
    sentence = "That was tried too often. Please wait a little."

    def __init__(self, retry_after: float) -> None:
        super().__init__(self.sentence, retry_after)


class OverloadedError(TryLaterError):
    """Too much work is waiting already, so the request is refused."""

    code = "OVERLOADED"
    public_description = "Too much work is waiting already, so the request is refused."


class StoppingError(TryLaterError):
    """The process stops before the request is finished; its changes may or may not be stored."""

    code = "STOPPING"
    public_description = (
        "The process stops before the request is finished; its changes may or may not be stored."
    )

    def __init__(self) -> None:
        super().__init__("The service is being restarted.", retry_after=2)


class DatabaseUnavailableError(TryLaterError):
    """The database did not answer in time."""

    code = "DATABASE_UNAVAILABLE"
    public_description = "The database did not answer in time."

    def __init__(self) -> None:
        super().__init__("The database is not answering at the moment.", retry_after=2)
