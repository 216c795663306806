"""Turn every exception into an answer: a page, or problem+json (RFC 9457) for programs.

No answer shows a traceback, an SQL statement, a path of a file or a version.
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
from werkzeug.routing import Rule

from service.asgi import Scope, send_whole
from service.db.failure_texts import explain, kind_of
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
_ID_PLACE = "{request-id}"  # in a cached page; the characters of an id need no escaping in HTML

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

# Python 3.13 renamed these. Our codes and titles must not depend on the version of Python.
_NAMES = {
    413: ("REQUEST_ENTITY_TOO_LARGE", "Request Entity Too Large"),
    414: ("REQUEST_URI_TOO_LONG", "Request-URI Too Long"),
    422: ("UNPROCESSABLE_ENTITY", "Unprocessable Entity"),
}

# The sentence for each status that an HTTPException can have, if it brings no sentence itself.
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
    """The document of a refusal (RFC 9457). `code` stays the same from release to release."""

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
    """A problem with the errors of all fields."""

    public_name: ClassVar = "InvalidInput"
    public_description: ClassVar = "The same, with everything that is wrong with what was sent."

    errors: tuple[FieldError, ...]


class People(Protocol):
    """The functions of `service.auth`, a higher layer, that error pages need."""

    async def look_up_user(self, *, ask_database: bool) -> None:
        """Set `g.user` for a page, if that is possible. Raises no error."""

    def forget_user(self) -> None:
        """Delete `g.user`, so that the next lookup asks the database."""


def init_app(app: Quart, people: People) -> None:
    """Answer refusals (ServiceError), HTTP errors of Quart, and every other exception."""
    app.extensions["people"] = people
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.register_error_handler(ServiceError, _answer_refusal)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(Exception, _answer_unforeseen)


def note_failure(error: ServiceError, job: str | None = None, app: Quart | None = None) -> None:
    """Log the cause of a failure, at most once a minute for each reason.

    The log line begins with `job`, or with the code of `error` if there is no `job`. The
    line has no traceback if the database refuses the service or cannot be used: then the reason is
    enough. Without `app`, the log of the current application is used.
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


async def send_refusal(
    app: Quart, scope: Scope, send: Any, error: ServiceError, rule: Rule | None = None
) -> None:
    """Send the answer to a refusal without Quart: for middleware, and for a cancelled handler.

    `rule` is the rule that the URL matches, for metrics and traces.
    """
    status, path = status_of(type(error)), scope["path"]
    if status >= 500:
        note_failure(error, app=app)
    title, headers = title_of(status), headers_of(error)
    if is_for_programs(path):
        body = _problem_body(status, title, str(error), error.code, error)
        headers["Content-Type"] = PROBLEM
    else:
        context = _page(status, title, str(error), error) | {"request_id": _ID_PLACE}
        page = pages.render_alone(app, "errors/error.html", **context)
        body = page.replace(_ID_PLACE, request_id.get()).encode()
        headers["Content-Type"] = "text/html; charset=utf-8"
    headers["Content-Length"] = str(len(body))
    scope["answer"] = (rule, status)
    with suppress(OSError):  # the client is gone
        await send_whole(send, status, encode_headers(Headers(headers)), body)


def malformed(detail: str) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Return body and headers of the answer to bytes that are no HTTP request, and log it."""
    identifier = new_request_id()
    token = request_id.set(identifier)
    _logger().info("refused bytes that are no HTTP request")
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
    """Return the headers of the answer to a refusal, without those of its body."""
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
    """Return the HTTP status of a class of refusals."""
    return next((code for known, code in _STATUSES if issubclass(kind, known)), 400)


def code_of(status: int) -> str:
    """Return the code of an HTTP error that is no ServiceError."""
    return _NAMES[status][0] if status in _NAMES else HTTPStatus(status).name


def title_of(status: int) -> str:
    """Return the reason phrase of a status."""
    return _NAMES[status][1] if status in _NAMES else HTTPStatus(status).phrase


async def _answer_refusal(error: ServiceError) -> Response:
    status = status_of(type(error))
    if status >= 500:  # the client's mistakes are not logged here
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
        return await _answer_http(NotFound())  # a static file's name is too long
    _logger().error("unforeseen error", exc_info=error)
    return await _answer(500, DETAILS[500], "INTERNAL_SERVER_ERROR")


async def _answer(status: int, detail: str, code: str, error: Exception | None = None) -> Response:
    title = title_of(status)
    if is_for_programs(request.path):
        return _answer_problem(status, title, detail, code, error)
    people: People = current_app.extensions["people"]
    if isinstance(error, NotAuthenticatedError):
        people.forget_user()
    # After a 5xx no statement is run: perhaps the database is down or overloaded.
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


def _answer_problem(
    status: int, title: str, detail: str, code: str, error: Exception | None
) -> Response:
    body = _problem_body(status, title, detail, code, error)
    return Response(body, status, content_type=PROBLEM)


def _problem_body(
    status: int, title: str, detail: str, code: str, error: Exception | None
) -> bytes:
    problem = msgspec.to_builtins(
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
        problem["errors"] = msgspec.to_builtins(error.errors)
    # The standard library's `json`, because msgspec raises for half of a surrogate pair. No message
    # should contain one (`service.validation.storable`). If one does, it must not cause a 500.
    return json.dumps(problem).encode()


def _logger() -> logging.Logger:
    return logging.getLogger(__name__)
