"""Starts OpenTelemetry's SDK in each process that serves, and sends the remaining spans at the end.

The SDK reads its own variables: sampler, batches, the exporter's address, time-out and headers.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from importlib.metadata import entry_points
from threading import Thread
from typing import cast

from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from quart import Quart

from service.config import Settings
from service.db import get_database
from service.telemetry.spans import RequestSpans, observer
from service.web.middleware import wrap

# Seconds to send the remaining spans at the end. A worker has 5 s (server.worker.GRACE_MARGIN) to
# close everything.
FLUSH_TIMEOUT = 2.0


def init_app(app: Quart, settings: Settings) -> None:
    """Trace requests and statements while serving. Raises if an exporter is not installed."""
    exporters = [_exporter(name) for name in settings.trace_exporters]
    _quieten()
    spans = wrap(app, RequestSpans)

    @app.while_serving
    async def lifespan() -> AsyncGenerator[None, None]:
        # Not earlier: a fork would not copy the thread that exports.
        try:
            provider = _provider(settings, exporters)
        except Exception as error:  # the SDK's variables may be wrong in many ways
            _logger().warning("traces cannot start: %s", error)
            yield
            return
        spans.tracer = provider.get_tracer("service")
        pool = get_database().pool
        pool.observer = observer(pool.dialect, spans.tracer)
        yield
        await _stop(provider)


def _exporter(name: str) -> Callable[[], SpanExporter]:
    for entry_point in entry_points(group="opentelemetry_traces_exporter", name=name):
        return cast(Callable[[], SpanExporter], entry_point.load())
    raise LookupError(f"no exporter {name!r} is installed")


def _quieten() -> None:
    """Send OpenTelemetry's log lines to our handlers, and drop those that may contain secrets."""
    logger = logging.getLogger("opentelemetry")
    logger.handlers = list(logging.getLogger("service").handlers)
    logger.propagate = False
    logging.getLogger("opentelemetry.exporter").setLevel(logging.ERROR)
    # Its warnings quote headers of the exporter that it cannot parse.
    logging.getLogger("opentelemetry.util.re").setLevel(logging.ERROR)


def _provider(
    settings: Settings, exporters: Sequence[Callable[[], SpanExporter]]
) -> TracerProvider:
    own = {"service.name": "readlog"}
    if settings.release:
        own["service.version"] = settings.release
    # Resource.create() prefers its argument to the variables of the SDK, so these come last in it.
    given = OTELResourceDetector().detect().attributes
    provider = TracerProvider(resource=Resource.create({**own, **given}), shutdown_on_exit=False)
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter()))
    return provider


async def _stop(provider: TracerProvider) -> None:
    """Shut down in a thread: without a collector that answers, it would take half a minute."""
    thread = Thread(target=provider.shutdown, daemon=True)
    thread.start()
    await asyncio.to_thread(thread.join, FLUSH_TIMEOUT)


def _logger() -> logging.Logger:
    return logging.getLogger(__name__)
