"""Bodies of the API: JSON, which is read strictly."""

import json
from math import isfinite
from typing import Any, cast

import msgspec
from quart import Response, request
from werkzeug.exceptions import BadRequest, NotAcceptable, UnsupportedMediaType

from service.exceptions import FieldError, InvalidInputError
from service.text.bidi import isolated
from service.validation import MAX_NAME, storable

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
# Media ranges that include JSON, the most specific first. Old Java clients send the last.
_TAKES_JSON = (JSON, "application/*", "*/*", "*")


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return an answer with a value as JSON."""
    return Response(msgspec.json.encode(value), status, headers, content_type=JSON)


def bare(status: int, headers: dict[str, str] | None = None) -> Response:
    """Return an answer without body, Content-Type and Content-Length, as 204 and 304 must be."""
    response = Response(b"", status, headers)
    del response.headers["Content-Type"]
    del response.headers["Content-Length"]
    return response


def check_accept() -> None:
    """Raise NotAcceptable if the header Accept excludes JSON."""
    accept = ", ".join(request.headers.getlist("Accept"))
    if not accept or accept == "*/*":
        return
    qualities = dict(map(_media_range, accept.lower().split(",")))
    if not next((qualities[kind] for kind in _TAKES_JSON if kind in qualities), 0):
        raise NotAcceptable


def _media_range(text: str) -> tuple[str, float]:
    """Return a media range and its quality. Other parameters are ignored, such as a charset."""
    kind, *parameters = (part.strip() for part in text.split(";"))
    quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
    try:
        return kind, float(quality)
    except ValueError:
        return kind, 1.0


async def read_object(*types: str) -> dict[str, Any]:
    """Return the JSON object in the request's body.

    Raises UnsupportedMediaType for other types than `types`, BadRequest for a body that is no JSON,
    and InvalidInputError for JSON that is no object.
    """
    kind = request.mimetype
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if kind not in types or charset not in ("utf-8", "utf8"):
        raise UnsupportedMediaType(f"Send the body as {' or '.join(types)}, in UTF-8.")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body as it is, not compressed.")
    value = _decoded(await read_bytes())
    if not isinstance(value, dict):
        raise InvalidInputError(FieldError("", "Send a JSON object.", "invalid"))
    return value


async def read_bytes() -> bytes:
    """Return the bytes of the request's body."""
    return cast(bytes, await request.get_data(as_text=False))


def _decoded(data: bytes) -> Any:
    try:
        # The standard library's `json`: msgspec silently takes the last of several equal names.
        return json.loads(
            data.decode(),
            object_pairs_hook=_object_of_unique_names,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise BadRequest(
            f"The body is not valid JSON: {error.msg} (character {error.pos})."
        ) from None
    except RecursionError:
        raise BadRequest("The body is nested too deeply.") from None
    except ValueError:  # more digits than Python converts to an int
        raise BadRequest(_TOO_LARGE) from None


_TOO_LARGE = "The body has a number that is too large."


def _object_of_unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            shown = isolated(storable(name[:MAX_NAME]))
            raise BadRequest(f"The body has the name “{shown}” twice in one object.")
        found[name] = value
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise BadRequest(_TOO_LARGE)
    return int(number) if number.is_integer() else number  # 5.0 is a whole number in JSON Schema


def _refuse_constant(name: str) -> None:
    raise BadRequest(f"The body is not valid JSON: {name} is no number there.")
