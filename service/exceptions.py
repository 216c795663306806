"""Refusals of rules, the same for each door; `service.web.errors` answers them."""

from dataclasses import dataclass
from math import ceil
from typing import ClassVar


class ServiceError(Exception):
    """The base of every refusal: its text is meant for the person who asked.

    The API's description shows `code` and `public_description`. A refusal that an operation
    declares must have both.
    """

    code = "REFUSED"
    public_description: ClassVar[str]


class NotFoundError(ServiceError):
    """There is no such thing, or it belongs to somebody else."""

    code = "NOT_FOUND"


class ConflictError(ServiceError):
    """What is there already does not allow it."""

    code = "CONFLICT"


class ChangedMeanwhileError(ServiceError):
    """It is not any more what the caller has seen of it; nothing was changed."""

    code = "CHANGED_MEANWHILE"


class NotAuthenticatedError(ServiceError):
    """Nobody knows whose request this is."""

    code = "NOT_AUTHENTICATED"
    public_description = "Nobody knows whose request this is."
    challenge = "Bearer"  # what programs are told as WWW-Authenticate (RFC 6750)


class AccountDeletedError(NotAuthenticatedError):
    """The account was deleted after the request had been authenticated."""

    def __init__(self) -> None:
        super().__init__("This account was deleted.")


class InsufficientScopeError(ServiceError):
    """The token is right, but not for this: `scope` is what it lacks, where any would do."""

    code = "INSUFFICIENT_SCOPE"
    public_description = "The token is right, but not for this."

    def __init__(self, message: str, scope: str | None = None) -> None:
        super().__init__(message)
        self.scope = scope


class CrossSiteError(ServiceError):
    """The request changes something and does not prove that it comes from our own pages."""

    code = "CROSS_SITE"
    public_description = (
        "The request changes something and does not prove that it comes from our own pages."
    )


@dataclass(frozen=True)
class FieldError:
    """One thing wrong with one field: a sentence for people, a code for programs."""

    public_name: ClassVar = "FieldError"
    public_description: ClassVar = (
        "One thing wrong with one field: a sentence for people, a code for programs."
    )

    field: str
    message: str
    code: str


class InvalidInputError(ServiceError):
    """Some fields cannot be taken as they are; nothing was changed."""

    code = "INVALID_INPUT"
    public_description = "Some fields cannot be taken as they are; nothing was changed."

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("Some of what was sent cannot be accepted.")
        self.errors = errors


def whole_seconds(seconds: float) -> int:
    """Rounded up, but for less than half a millisecond, which is noise of adding up floats."""
    return ceil(round(seconds, 3))


class TryLaterError(ServiceError):
    """It would work later: `retry_after` is in whole seconds, rounded up, at least 1."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = max(1, whole_seconds(retry_after))


class TooManyRequestsError(TryLaterError):
    """A limit was reached; there is room again in so many seconds."""

    code = "TOO_MANY_REQUESTS"
    public_description = "A limit was reached."
    sentence = "That was tried too often. Please wait a little."

    def __init__(self, retry_after: float) -> None:
        super().__init__(self.sentence, retry_after)


class OverloadedError(TryLaterError):
    """More work waits than this process will take on."""

    code = "OVERLOADED"
    public_description = "More work waits than this process will take on."


class StoppingError(TryLaterError):
    """The process ends before the request does; what it had done by then is not known."""

    code = "STOPPING"
    public_description = (
        "The process ends before the request does; what it had done by then is not known."
    )

    def __init__(self) -> None:
        super().__init__("The service is being restarted.", retry_after=2)


class DatabaseUnavailableError(TryLaterError):
    """The database did not answer in time."""

    code = "DATABASE_UNAVAILABLE"
    public_description = "The database did not answer in time."

    def __init__(self) -> None:
        super().__init__("The database is not answering at the moment.", retry_after=2)
