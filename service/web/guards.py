"""The checks of every request before its view: size, host, scheme, origin, form."""

from typing import Any, cast
from urllib.parse import parse_qsl

from quart import Quart, Request, Response, g, request
from quart.formparser import FormDataParser
from quart.wrappers.request import Body
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import (
    BadRequest,
    Forbidden,
    RequestEntityTooLarge,
    UnsupportedMediaType,
)
from werkzeug.sansio.utils import get_host

from service.asgi import Scope
from service.config import Settings
from service.exceptions import CrossSiteError
from service.security.same_origin import SAFE_METHODS, is_same_origin
from service.validation import is_storable
from service.web import pages, request_limits
from service.web.bearer_token import bearer_token
from service.web.connection import BodyRequest
from service.web.routing import is_for_programs
from service.web.session_cookie import session_token

HTTPS_ONLY = "This service is to be used by HTTPS only."
# Headers that may be sent once only: of two, a proxy may have checked the one that we do not use.
_SINGLE = ("Authorization", "Content-Type", "Idempotency-Key")
PROBES = frozenset({"/livez", "/readyz"})


def init_app(app: Quart, settings: Settings) -> None:
    """Check each request, in this order. `service.web.errors` answers refusals."""
    app.config["MAX_CONTENT_LENGTH"] = request_limits.MAX_BODY
    app.config["BODY_TIMEOUT"] = request_limits.BODY_TIMEOUT
    app.request_class = FormRequest

    @app.before_request
    async def guard() -> Response | None:
        answer = _guard(request, settings)
        g.passed_guards = True
        return answer


def _guard(request: Request, settings: Settings) -> Response | None:
    if request.path in PROBES:
        return None
    check_head(cast(Scope, request.scope), settings)
    if _came_by_http(request, settings):
        return _to_https(request, settings)
    if request.method not in SAFE_METHODS:
        _check_origin(request, settings)
    return None


def check_head(scope: Scope, settings: Settings) -> None:
    """Check the size, the address and the headers of a request. Raises HTTPException."""
    request_limits.check_size(scope)
    _check_address(scope)
    names = [name for name, _ in scope["headers"]]
    _check_host(scope, names, settings)
    for name in _SINGLE:
        if names.count(name.lower().encode()) > 1:
            raise BadRequest(f"A request must have one {name} at most.")


def _check_address(scope: Scope) -> None:
    """RFC 3986 addresses are ASCII. Hypercorn passes any bytes of HTTP/2 on, and Quart fails."""
    if not (scope["raw_path"].isascii() and scope["query_string"].isascii()):
        raise BadRequest("An address is in ASCII: write other characters with percent signs.")


def _check_host(scope: Scope, names: list[bytes], settings: Settings) -> None:
    """Check the Host header, which Quart does not.

    An answer to any Host would let names of others lead to the service. Two Host headers or none
    are malformed (RFC 9112, 3.2): a proxy may have used the other one.
    """
    hosts = names.count(b"host")
    if hosts > 1 or (not hosts and scope["http_version"] == "1.1"):
        raise BadRequest("A request must name one host.")
    if settings.config_type == "development" or not settings.allowed_hosts:
        return
    value = scope["headers"][names.index(b"host")][1].decode("latin1") if hosts else None
    if get_host(scope["scheme"], value).lower().removesuffix(":443") not in settings.allowed_hosts:
        raise BadRequest("This service does not answer under that host name.")


def _came_by_http(request: Request, settings: Settings) -> bool:
    """Return whether the proxy says that the browser did not use HTTPS."""
    forwarded = request.headers.get("X-Forwarded-Proto", "").split(",")[0].strip().lower()
    return settings.secure_cookies and forwarded == "http"


def _to_https(request: Request, settings: Settings) -> Response:
    """Redirect a page to HTTPS. Refuse programs, forms, and requests with a token.

    A program must notice that it sent its token unencrypted, also to addresses such as /metrics.
    """
    if (
        is_for_programs(request.path)
        or request.method not in SAFE_METHODS
        or bearer_token() is not None
    ):
        raise Forbidden(HTTPS_ONLY)
    # The path as it was sent: a decoded path may lead to another address.
    path, query = request.scope["raw_path"].decode("ascii"), request.query_string.decode("ascii")
    return pages.redirect(f"{settings.public_url}{path}{'?' if query else ''}{query}", 308)


def _check_origin(request: Request, settings: Settings) -> None:
    if _is_call_of_no_browser(request):
        return
    schemes = ("https",) if settings.secure_cookies else ("https", "http")
    own = {f"{scheme}://{request.host}" for scheme in schemes}
    if settings.public_url:
        own.add(settings.public_url)
    if not is_same_origin(request.headers, own):
        raise CrossSiteError(
            "This request did not come from a page of this service, so nothing was changed."
        )


def _is_call_of_no_browser(request: Request) -> bool:
    """Return whether a program outside of browsers calls the API. It need not prove its origin.

    Browsers send Origin or Sec-Fetch-Site. A request with a session's cookie may still be from a
    browser, unless it has a token: then the cookie does not count.
    """
    headers = request.headers
    return (
        is_for_programs(request.path)
        and "Origin" not in headers
        and "Sec-Fetch-Site" not in headers
        and (session_token() is None or bearer_token() is not None)
    )


class StrictFormDataParser(FormDataParser):
    """Reads urlencoded forms. Quart alone would accept some that are wrong, as if empty."""

    async def parse(
        self,
        body: Body,
        mimetype: str,
        content_length: int | None,  # noqa: ARG002 - the signature of Quart's parser
        options: dict[str, str] | None = None,  # noqa: ARG002
    ) -> tuple[MultiDict[str, str], MultiDict[str, Any]]:
        """Return the fields of the form. Raises BadRequest, 413 or 415."""
        data = await body
        if data and mimetype != "application/x-www-form-urlencoded":
            raise UnsupportedMediaType("Send the form as application/x-www-form-urlencoded.")
        if data.count(b"&") >= request_limits.MAX_FORM_FIELDS:
            raise RequestEntityTooLarge("The form has too many fields.")
        try:
            fields = parse_qsl(data.decode(), keep_blank_values=True, errors="strict")
        except ValueError:
            raise BadRequest("The form is not valid UTF-8, percent-encoded.") from None
        if not all(is_storable(name) for name, _ in fields):
            raise BadRequest("The form has a field whose name is not valid.")
        return MultiDict(fields), MultiDict()


class FormRequest(BodyRequest):
    """A request whose forms are read strictly."""

    form_data_parser_class = StrictFormDataParser
