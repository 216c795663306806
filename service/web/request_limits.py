"""How large a request may be, and how long its body may take."""

from werkzeug.exceptions import RequestHeaderFieldsTooLarge, RequestURITooLarge

from service.asgi import Scope

MAX_BODY = 64 * 1024  # bytes; the largest form is about 10 kB
MAX_ADDRESS = 8 * 1024  # bytes of path and query
MAX_HEADERS = 32 * 1024  # bytes of names and values
MAX_HEADER_COUNT = 100
MAX_FORM_FIELDS = 50
BODY_TIMEOUT = 10  # seconds until the whole of a body must be there


def check_size(scope: Scope) -> None:
    """Check the sizes of the address and the headers. Raises HTTPException: 414 or 431."""
    if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_ADDRESS:
        raise RequestURITooLarge("The address is too long.")
    headers = list(scope["headers"])
    if (
        len(headers) > MAX_HEADER_COUNT
        or sum(len(name) + len(value) for name, value in headers) > MAX_HEADERS
    ):
        raise RequestHeaderFieldsTooLarge("The request's headers are too large.")
