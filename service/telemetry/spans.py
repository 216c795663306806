"""Makes the spans: one for each request, and one for each statement.

OpenTelemetry's instrumentation of ASGI and SQLAlchemy is not used, because it exports paths, query
strings, addresses and the text of errors. These can contain texts of people: PostgreSQL's errors
quote the row that a constraint refused. Spans have no other attributes than those in this module.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.propagate import extract
from opentelemetry.trace import NoOpTracer, Span, SpanKind, Status, StatusCode, Tracer

from service.asgi import ASGIApp, Receive, Scope, Send
from service.db.failures import driver_error
from service.db.statements import Observer
from service.logs import request_id
from service.telemetry.labels import NO_ROUTE, answer_of, method_of


class RequestSpans:
    """ASGI middleware: makes a span for each request, in the trace that its headers name.

    `tracer` does nothing until serving starts.
    """

    def __init__(self, inner: ASGIApp) -> None:
        self.inner = inner
        self.tracer: Tracer = NoOpTracer()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application inside the span of the request."""
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        method = method_of(scope)
        with self.tracer.start_as_current_span(
            method,
            context=extract(_carrier(scope)),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "url.scheme": scope["scheme"]},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                await self.inner(scope, receive, send)
            finally:
                _set_answer(span, method, *answer_of(scope))


def _carrier(scope: Scope) -> dict[str, str]:
    # Baggage is not used, and OpenTelemetry would log a header that it cannot parse.
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name != b"baggage"
    }


def _set_answer(span: Span, method: str, route: str, status: int) -> None:
    if route != NO_ROUTE:
        span.update_name(f"{method} {route}")
        span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    span.set_attribute("readlog.request_id", request_id.get())  # as in the log
    if status >= 500:
        span.set_attribute("error.type", str(status))
        span.set_status(Status(StatusCode.ERROR))


def observer(dialect: str, tracer: Tracer) -> Observer:
    """Return a context manager that makes a span of a statement: its text, never its values."""

    @contextmanager
    def observe(statement: str) -> Iterator[None]:
        operation = (statement.split(maxsplit=1) or [""])[0].upper()
        attributes = {
            "db.system.name": dialect,
            "db.operation.name": operation,
            "db.query.text": statement,
        }
        span = tracer.start_span(operation, kind=SpanKind.CLIENT, attributes=attributes)
        try:
            yield
        except BaseException as error:
            span.set_attribute("error.type", type(driver_error(error)).__qualname__)
            span.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            span.end()

    return observe
