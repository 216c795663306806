"""OpenTelemetry's SDK, started in each process that serves, and told what it has left at the end.

It reads its own variables: sampler, batches, the exporter's address, time-out and headers.
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

# Seconds to send what is left when we stop. gunicorn's worker has five for all that it closes.
FLUSH_TIMEOUT = 2.0


def init_app(app: Quart, settings: Settings) -> None:
    """Trace requests and statements while serving. Raises where an exporter is not installed."""
    exporters = [_exporter(name) for name in settings.trace_exporters]
    _quieten()
    spans = wrap(app, RequestSpans)

    @app.while_serving
    async def lifespan() -> AsyncGenerator[None, None]:
        # Not before: a thread that exports would not be there after a fork.
        try:
            provider = _provider(settings, exporters)
        except Exception as error:  # as its variables may be wrong in many ways
            _logger().warning("traces cannot be had: %s", error)
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
    """Its lines go where ours go: one for each batch that could not be sent, and no secret."""
    logger = logging.getLogger("opentelemetry")
    logger.handlers = list(logging.getLogger("service").handlers)
    logger.propagate = False
    logging.getLogger("opentelemetry.exporter").setLevel(logging.ERROR)
    # What it warns of are headers that it cannot read, and it repeats them.
    logging.getLogger("opentelemetry.util.re").setLevel(logging.ERROR)


def _provider(
    settings: Settings, exporters: Sequence[Callable[[], SpanExporter]]
) -> TracerProvider:
    own = {"service.name": "readlog"}
    if settings.release:
        own["service.version"] = settings.release
    told = OTELResourceDetector().detect().attributes  # which ours would win over
    provider = TracerProvider(resource=Resource.create({**own, **told}), shutdown_on_exit=False)
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter()))
    return provider


async def _stop(provider: TracerProvider) -> None:
    """It would wait for half a minute where the collector does not answer."""
    thread = Thread(target=provider.shutdown, daemon=True)
    thread.start()
    await asyncio.to_thread(thread.join, FLUSH_TIMEOUT)


def _logger() -> logging.Logger:
    return logging.getLogger(__name__)
