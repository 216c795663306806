"""Turns every exception into an answer: a page, or problem+json (RFC 9457) for programs.

Neither ever shows a trace, a statement, a path or a version.
"""

import errno
import json
import logging
from contextlib import suppress
from http import HTTPStatus
from typing import Any, ClassVar, Protocol

import msgspec
from quart import Quart, Response, current_app, request
from quart.utils import encode_headers
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException, NotFound

from service.asgi import Scope, send_whole
from service.db.explanations import explain, kind_of
from service.db.failures import Meaning, UnusableDatabaseError, meaning_of
from service.exceptions import (
    ChangedMeanwhileError,
    ConflictError,
    CrossSiteError,
    FieldError,
    InsufficientScopeError,
    InvalidInputError,
    NotAuthenticatedError,
    NotFoundError,
    ServiceError,
    TooManyRequestsError,
    TryLaterError,
)
from service.logs import SeldomWarnings, new_request_id, request_id
from service.security.headers import HEADERS
from service.web import pages
from service.web.routing import is_for_programs

PROBLEM = "application/problem+json"

_STATUSES: tuple[tuple[type[ServiceError], int], ...] = (
    (NotAuthenticatedError, 401),
    (InsufficientScopeError, 403),
    (NotFoundError, 404),
    (ConflictError, 409),
    (ChangedMeanwhileError, 412),
    (CrossSiteError, 403),
    (InvalidInputError, 422),
    (TooManyRequestsError, 429),
    (TryLaterError, 503),
)

# Python 3.13 has other names for these; a code and a title must not depend on that.
_NAMES = {
    413: ("REQUEST_ENTITY_TOO_LARGE", "Request Entity Too Large"),
    414: ("REQUEST_URI_TOO_LONG", "Request-URI Too Long"),
    422: ("UNPROCESSABLE_ENTITY", "Unprocessable Entity"),
}

# What people can do about it, for those statuses that the person in front of a page meets.
DETAILS = {
    400: "The request could not be understood, so nothing was changed.",
    401: "Please sign in first.",
    403: "This is not allowed.",
    404: "There is nothing at this address. It may have been deleted, or the link is wrong.",
    405: "This address cannot be used in that way.",
    406: "This address has only JSON to give.",
    408: "The request took too long to arrive.",
    413: "That is more than this service accepts at once. Nothing was changed.",
    414: "The address is too long.",
    415: "This address does not take that kind of content.",
    422: "Some of what was sent cannot be accepted. Nothing was changed.",
    429: TooManyRequestsError.sentence,
    431: "The request's headers are too large.",
    500: "Something went wrong on our side. It has been noted, and nothing of yours is lost.",
    503: "The service cannot answer at the moment. Please try again shortly.",
}


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request was refused (RFC 9457). `code` stays the same from release to release."""

    public_name: ClassVar = "Problem"
    public_description: ClassVar = (
        "Why a request was refused (RFC 9457). `code` stays the same from release to release."
    )

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str


class InvalidInput(Problem, frozen=True, kw_only=True):
    """The same, with everything that is wrong with what was sent."""

    public_name: ClassVar = "InvalidInput"
    public_description: ClassVar = "The same, with everything that is wrong with what was sent."

    errors: tuple[FieldError, ...]


class People(Protocol):
    """Knows who is signed in: `service.auth`, which is above this layer."""

    async def look_up_user(self, *, ask_database: bool) -> None:
        """Find out for a page who is signed in, as far as that is possible; raises nothing."""

    def forget_user(self) -> None:
        """Look the person up anew when a page wants to know."""


def init_app(app: Quart, people: People) -> None:
    """Answer the service's own refusals, HTTP's errors, and whatever nobody foresaw."""
    app.extensions["people"] = people
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.register_error_handler(ServiceError, _answer_refusal)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(Exception, _answer_unforeseen)


def note_failure(error: ServiceError, job: str | None = None, app: Quart | None = None) -> None:
    """Log why requests, or the named job, are refused, once a minute for each reason.

    The reason says all where the database refuses the service. Else a traceback says what was
    under way. Without `app` the current application's log is used.
    """
    warnings: SeldomWarnings = (app or current_app).extensions["warnings"]
    cause, what = error.__cause__, job or error.code
    if cause is None:
        warnings.warn(__name__, f"{what}: {error}")
        return
    lasting = meaning_of(cause) in (Meaning.REFUSED, Meaning.SETTING)
    known = lasting or isinstance(cause, UnusableDatabaseError)
    warnings.warn(
        __name__,
        f"{what}: {explain(cause)}",
        reason=f"{what}: {kind_of(cause)}",
        error=None if known else cause,
    )


async def send_refusal(app: Quart, scope: Scope, send: Any, error: ServiceError) -> None:
    """Answer without a request of Quart's: for middleware, and for a handler that was ended."""
    status, path = status_of(type(error)), scope["path"]
    if status >= 500:
        note_failure(error, app=app)
    title, headers = title_of(status), headers_of(error)
    if is_for_programs(path):
        body = _problem_body(status, title, str(error), error.code, error)
        headers["Content-Type"] = PROBLEM
    else:
        page = pages.render_alone(
            app, "errors/error.html", **_page(status, title, str(error), error)
        )
        body = page.encode()
        headers["Content-Type"] = "text/html; charset=utf-8"
    headers["Content-Length"] = str(len(body))
    scope["answer"] = (None, status)
    with suppress(OSError):  # the client is gone
        await send_whole(send, status, encode_headers(Headers(headers)), body)


def malformed(detail: str) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The body and the headers with which a server refuses what is no HTTP; that is logged."""
    identifier = new_request_id()
    token = request_id.set(identifier)
    _logger().info("refused what is no request")
    body = _problem_body(400, title_of(400), detail, code_of(400), None)
    request_id.reset(token)
    headers = {
        "Content-Type": PROBLEM,
        "Content-Length": str(len(body)),
        "X-Request-ID": identifier,
        **HEADERS,
    }
    return body, [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def headers_of(error: ServiceError) -> dict[str, str]:
    """Return the headers that a refusal is answered with, beside those of its body."""
    headers = {}
    if isinstance(error, TryLaterError):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, NotAuthenticatedError):
        headers["WWW-Authenticate"] = error.challenge
    if isinstance(error, InsufficientScopeError):
        scope = f', scope="{error.scope}"' if error.scope else ""
        headers["WWW-Authenticate"] = f'Bearer error="insufficient_scope"{scope}'
    return headers


def status_of(kind: type[ServiceError]) -> int:
    """The status that a refusal is answered with."""
    return next((code for known, code in _STATUSES if issubclass(kind, known)), 400)


def code_of(status: int) -> str:
    """The code of what HTTP alone refuses."""
    return _NAMES[status][0] if status in _NAMES else HTTPStatus(status).name


def title_of(status: int) -> str:
    """What a status means."""
    return _NAMES[status][1] if status in _NAMES else HTTPStatus(status).phrase


async def _answer_refusal(error: ServiceError) -> Response:
    status = status_of(type(error))
    if status >= 500:  # what a client did wrong is no news for the operator
        note_failure(error)
    response = await _answer(status, str(error), error.code, error)
    response.headers.update(headers_of(error))
    return response


async def _answer_http(error: HTTPException) -> Response:
    status = error.code or 500
    own_words = error.description if "description" in vars(error) else None
    response = await _answer(status, own_words or DETAILS.get(status, ""), code_of(status))
    for name, value in error.get_headers():
        if name in ("Allow", "WWW-Authenticate", "Retry-After"):
            response.headers[name] = value
    return response


async def _answer_unforeseen(error: Exception) -> Response:
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return await _answer_http(NotFound())  # asked for as a static file
    _logger().error("unforeseen error", exc_info=error)
    return await _answer(500, DETAILS[500], "INTERNAL_SERVER_ERROR")


async def _answer(status: int, detail: str, code: str, error: Exception | None = None) -> Response:
    title = title_of(status)
    if is_for_programs(request.path):
        return _problem(status, title, detail, code, error)
    people: People = current_app.extensions["people"]
    if isinstance(error, NotAuthenticatedError):
        people.forget_user()
    # An answer of 5xx asks for nothing more: the database may be what is away or overloaded.
    await people.look_up_user(ask_database=status < 500)
    return pages.render("errors/error.html", **_page(status, title, detail, error))


def _page(status: int, title: str, detail: str, error: Exception | None) -> dict[str, Any]:
    return {
        "status": status,
        "title": title,
        "detail": detail,
        "request_id": request_id.get(),
        "retry_after": error.retry_after if isinstance(error, TryLaterError) else None,
    }


def _problem(status: int, title: str, detail: str, code: str, error: Exception | None) -> Response:
    body = _problem_body(status, title, detail, code, error)
    return Response(body, status, content_type=PROBLEM)


def _problem_body(
    status: int, title: str, detail: str, code: str, error: Exception | None
) -> bytes:
    told = msgspec.to_builtins(
        Problem(
            type="about:blank",
            title=title,
            status=status,
            detail=detail,
            code=code,
            request_id=request_id.get(),
        )
    )
    if isinstance(error, InvalidInputError):
        told["errors"] = msgspec.to_builtins(error.errors)
    # The standard library's: msgspec fails for half of a surrogate pair. No message should hold
    # one (`service.shapes.storable`), and no refusal may become a 500 over it.
    return json.dumps(told).encode()


def _logger() -> logging.Logger:
    return logging.getLogger(__name__)
