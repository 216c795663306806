"""What is sent and what is asked for: JSON, read strictly."""

import json
from math import isfinite
from typing import Any, cast

import msgspec
from quart import Response, request
from werkzeug.exceptions import BadRequest, NotAcceptable, UnsupportedMediaType

from service.exceptions import FieldError, InvalidInputError

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
MAX_ACCEPT = 2048  # characters; the time to read them grows with the square of their number


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A value as JSON."""
    return Response(msgspec.json.encode(value), status, headers, content_type=JSON)


def bare(status: int, headers: dict[str, str] | None = None) -> Response:
    """An answer that has no body, and says nothing of one: 204 and 304 must not."""
    response = Response(b"", status, headers)
    del response.headers["Content-Type"]
    del response.headers["Content-Length"]
    return response


def check_accept() -> None:
    """Whether the caller takes JSON. Raises NotAcceptable."""
    accept = request.headers.get("Accept")
    if not accept or accept == "*/*":
        return
    if len(accept) > MAX_ACCEPT or not request.accept_mimetypes[JSON]:
        raise NotAcceptable


async def read_object(*types: str) -> dict[str, Any]:
    """The JSON object of the request's body, sent as one of these types.

    Raises UnsupportedMediaType, BadRequest for what is no JSON, InvalidInputError for other JSON.
    """
    kind = request.mimetype
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if kind not in types or charset not in ("utf-8", "utf8"):
        raise UnsupportedMediaType(f"Send the body as {' or '.join(types)}.")
    value = _decoded(await read_bytes())
    if not isinstance(value, dict):
        raise InvalidInputError(FieldError("", "Send a JSON object.", "invalid"))
    return value


async def read_bytes() -> bytes:
    """The request's body as it was sent."""
    return cast(bytes, await request.get_data(as_text=False))


def _decoded(data: bytes) -> Any:
    try:
        # The standard library's: msgspec lets the last of several equal names win.
        return json.loads(
            data.decode(),
            object_pairs_hook=_object,
            parse_constant=_refuse,
            parse_float=_finite,
        )
    except (ValueError, RecursionError):  # ValueError: numbers of too many digits, too
        raise BadRequest("The body is not valid JSON in UTF-8.") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError("too large")
    return int(number) if number.is_integer() else number  # 5.0 is a whole number in JSON Schema


def _refuse(name: str) -> None:
    raise ValueError(name)
