"""The log as gunicorn's handlers write it, in a test's hands."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def under_gunicorn() -> Iterator[io.StringIO]:
    """Pretend that gunicorn set up its handler, and put every logger back at the end."""
    stream = io.StringIO()
    gunicorn, service = logging.getLogger("gunicorn.error"), logging.getLogger("service")
    before = list(gunicorn.handlers)
    gunicorn.handlers = [logging.StreamHandler(stream)]
    try:
        with restored(service):
            yield stream
    finally:
        gunicorn.handlers = before


@contextmanager
def restored(logger: logging.Logger) -> Iterator[None]:
    """Put a logger's settings back at the end."""
    before = (list(logger.handlers), logger.level, logger.propagate)
    try:
        yield
    finally:
        logger.handlers, level, logger.propagate = before
        logger.setLevel(level)
