"""Log lines: one for each event, with the id of its request, as text or as a JSON object.

Under gunicorn the lines go to gunicorn's handlers, otherwise to standard error. The access lines
identify nobody: they contain no client address, no query string and no form.
"""

import json
import logging
import re
import time
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from service.asgi import ASGIApp, Message, Receive, Scope, Send
from service.config import Settings
from service.text.bidi import escaped

if TYPE_CHECKING:
    # bin/migrate uses this module too, and does not import Quart.
    from quart import Quart

ACCESS_LOGGER = "service.access"
# A client's own request id is used if it has this form. Otherwise the request gets a new id.
_CLIENT_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_PROBES = ("/livez", "/readyz", "/metrics")


request_id: ContextVar[str] = ContextVar("request_id", default="-")


def init_app(app: "Quart", settings: Settings) -> None:
    """Configure logging. The middleware `RequestLog` writes the access lines."""
    configure(settings)
    app.extensions["warnings"] = SeldomWarnings()


def configure(settings: Settings) -> None:
    """Set the handlers, level and format of our loggers; those of other libraries stay.

    Under gunicorn, its handlers are used, and get our format.
    """
    under_gunicorn = logging.getLogger("gunicorn.error").handlers
    handlers = under_gunicorn or [logging.StreamHandler()]
    formatter = JsonFormatter() if settings.log_format == "json" else TextFormatter()
    for handler in [*handlers, *logging.getLogger("gunicorn.access").handlers]:
        handler.setFormatter(formatter)
    # Hypercorn, the server of `quart run`, writes its access lines to this logger, with addresses.
    logging.getLogger("service.app").addFilter(_is_no_access_line)
    logger = logging.getLogger("service")
    logger.handlers = list(handlers)
    logger.setLevel(settings.log_level.upper())
    logger.propagate = False


class RequestLog:
    """ASGI middleware: gives each request an id, sends it as X-Request-ID, logs one access line."""

    def __init__(self, inner: ASGIApp) -> None:
        self.inner = inner
        self.logger = logging.getLogger(ACCESS_LOGGER)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, add the id to its answer, and log the status and the time."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # the service has no websockets
            return
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        started = time.perf_counter()
        identifier = _identify(scope)
        request_id.set(identifier)
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", identifier.encode())]
            await send(message)

        try:
            await self.inner(scope, receive, send_with_id)
        finally:
            self._log(scope, status, time.perf_counter() - started)

    def _log(self, scope: Scope, status: int, seconds: float) -> None:
        # Probes come every few seconds: successful ones are logged at DEBUG only.
        level = logging.DEBUG if scope["path"] in _PROBES and status < 400 else logging.INFO
        if self.logger.isEnabledFor(level):
            fields = {
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "ms": round(seconds * 1000, 1),
            }
            self.logger.log(level, "request", extra={"fields": fields})


class SeldomWarnings:
    """Logs one warning a minute for each reason, however many requests have the same reason.

    Each process counts its own warnings.
    """

    PERIOD = 60.0  # seconds
    MOST_REASONS = 100  # kept in memory; the reason that was logged longest ago is dropped first

    def __init__(self) -> None:
        # (logger, reason): the time of its last line, and the number of warnings since.
        self._told: dict[tuple[str, str], tuple[float, int]] = {}

    def warn(
        self,
        name: str,
        message: str,
        *,
        reason: str | None = None,
        error: BaseException | None = None,
    ) -> None:
        """Log the message and the error's traceback with the logger `name`.

        If the reason had a line within the last minute, nothing is logged; the next line of this
        reason gives the number of warnings that were left out. The default reason is the message.
        """
        key, now = (name, reason or message), time.monotonic()
        told_at, left_out = self._told.get(key, (now - self.PERIOD, 0))
        if now - told_at < self.PERIOD:
            self._told[key] = (told_at, left_out + 1)
            return
        self._told.pop(key, None)  # so that the newest reason comes last
        self._told[key] = (now, 0)
        if len(self._told) > self.MOST_REASONS:
            del self._told[next(iter(self._told))]
        more = f" (and {left_out} times more since the last such line)" if left_out else ""
        logging.getLogger(name).warning("%s%s", message, more, exc_info=error)


class TextFormatter(logging.Formatter):
    """Level first, so that platforms recognise it; then time, logger, request id and message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, or several if there is a traceback."""
        fields = getattr(record, "fields", {})
        parts = [
            f"{record.levelname:<7} {_time(record)} {record.name} [{request_id.get()}]",
            escaped(record.getMessage()),
            *(f"{name}={_printable(value)}" for name, value in fields.items()),
        ]
        line = " ".join(parts)
        if record.exc_info is None:
            return line
        return "\n".join([line, *map(escaped, _traceback(record).split("\n"))])


class JsonFormatter(logging.Formatter):
    """One JSON object a line, ASCII only."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line; a traceback is one of its fields."""
        entry: dict[str, Any] = {
            "level": record.levelname.lower(),
            "time": _time(record),
            "logger": record.name,
            "request_id": request_id.get(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info is not None:
            entry["traceback"] = _traceback(record)
        return json.dumps(entry, default=str)


def _is_no_access_line(record: logging.LogRecord) -> bool:
    return not isinstance(record.args, dict)


def _identify(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _CLIENT_ID.fullmatch(value):
            return str(value.decode())
    return new_request_id()


def new_request_id() -> str:
    """Return a random id of 16 hexadecimal digits."""
    return token_hex(8)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _printable(value: object) -> str:
    """Return the value, quoted as JSON if it has blanks or characters that are not printable."""
    text = str(value)
    return text if text.isprintable() and " " not in text else json.dumps(text)


def _traceback(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    return "" if error is None else "".join(traceback.format_exception(error)).rstrip()
