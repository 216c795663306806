"""Metrics and traces. Their libraries are imported only if the settings switch them on.

`metrics` counts, `scrape` answers /metrics, and `processes` adds the metrics of gunicorn's workers
up. `spans` makes the spans of traces, and `tracing` exports them.
"""

import logging
from typing import TYPE_CHECKING

from service.config import Settings

if TYPE_CHECKING:
    # gunicorn's master imports `processes` early, and must not import Quart at that time.
    from quart import Quart


def init_app(app: "Quart", settings: Settings) -> None:
    """Add the middleware for metrics and traces. It must be the last, to measure whole requests."""
    if settings.metrics_token:
        from service.telemetry import scrape

        scrape.init_app(app, settings, settings.metrics_token)
    if settings.trace_exporters:
        _trace(app, settings)


def _trace(app: "Quart", settings: Settings) -> None:
    try:
        from service.telemetry import tracing

        tracing.init_app(app, settings)
    except Exception as error:  # the service works without traces
        message = "traces are switched on, but cannot start: %s (see requirements-telemetry.txt)"
        logging.getLogger(__name__).warning(message, error)
