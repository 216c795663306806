"""Metrics and traces, for who asks for them; nothing of their libraries is imported for others.

`metrics` counts and `scrape` tells it under /metrics, `processes` lets gunicorn's workers add up;
`tracing` exports spans, `spans` makes them.
"""

import logging
from typing import TYPE_CHECKING

from service.config import Settings

if TYPE_CHECKING:
    # gunicorn's master needs `processes` before it has looked for the rest.
    from quart import Quart


def init_app(app: "Quart", settings: Settings) -> None:
    """Put what is asked for around the application. It goes there last, to see all of a request."""
    if settings.metrics_token:
        from service.telemetry import scrape

        scrape.init_app(app, settings, settings.metrics_token)
    if settings.trace_exporters:
        _trace(app, settings)


def _trace(app: "Quart", settings: Settings) -> None:
    try:
        from service.telemetry import tracing

        tracing.init_app(app, settings)
    except Exception as error:  # whatever it is: people can be served without
        message = "traces are asked for and cannot be had: %s (see requirements-telemetry.txt)"
        logging.getLogger(__name__).warning(message, error)
