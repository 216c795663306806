"""A collector of traces on 127.0.0.1, which keeps what it gets."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

__all__ = ["Collector", "Span", "Status", "attributes", "collecting"]


@dataclass
class Collector:
    """What came: each body as it was sent, and what is in them."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)

    @property
    def exports(self) -> list[ExportTraceServiceRequest]:
        return [ExportTraceServiceRequest.FromString(body) for body in self.bodies]

    @property
    def resources(self) -> list[dict[str, object]]:
        """Who says to have sent them."""
        return [
            {pair.key: pair.value.string_value for pair in spans.resource.attributes}
            for export in self.exports
            for spans in export.resource_spans
        ]

    @property
    def spans(self) -> list[Span]:
        """In the order in which they began."""
        found = [
            span
            for export in self.exports
            for spans in export.resource_spans
            for scope in spans.scope_spans
            for span in scope.spans
        ]
        return sorted(found, key=lambda span: span.start_time_unix_nano)

    def requests(self) -> list[Span]:
        return [span for span in self.spans if span.kind == Span.SPAN_KIND_SERVER]

    def statements(self, of: Span | None = None) -> list[Span]:
        """Those right below a span, or all."""
        return [
            span
            for span in self.spans
            if span.kind == Span.SPAN_KIND_CLIENT
            and (of is None or span.parent_span_id == of.span_id)
        ]


def attributes(span: Span) -> dict[str, object]:
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "")
        for pair in span.attributes
    }


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            collector.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
