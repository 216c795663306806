"""GET /metrics, for a Prometheus server that has the token."""

import asyncio
import hmac
import struct
from collections.abc import AsyncGenerator, Callable

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from quart import Blueprint, Quart, Response, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from service.auth import public
from service.config import Settings
from service.db import get_database
from service.limits.rules import unlimited
from service.telemetry.metrics import Metrics, RequestMetrics
from service.web.context import get_password_hasher
from service.web.middleware import wrap

ATTEMPTS = 10  # to read the files of all processes
PAUSE = 0.05  # seconds between two attempts
INTERVAL = 1.0  # seconds between two samples of a process whose metrics others may report


def init_app(app: Quart, settings: Settings, token: str) -> None:
    """Measure requests, and answer /metrics for callers with the token."""
    metrics = Metrics(settings.metrics_folder)
    blueprint = Blueprint("metrics", __name__)

    @blueprint.get("/metrics")
    @public
    @unlimited("needs a token, asks no database")
    async def tell() -> Response:
        """Answer with all metrics, of all processes if they share a folder."""
        if not _has(token):
            raise Unauthorized(
                "This address needs its token.",
                www_authenticate=WWWAuthenticate("bearer"),
            )
        _sample(metrics)
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        text = await _encoded(encode, metrics.registry)
        return Response(text, content_type=content_type)

    @app.while_serving
    async def lifespan() -> AsyncGenerator[None, None]:
        if settings.metrics_folder is None:
            yield
            return
        task = asyncio.create_task(_keep_sampling(app, metrics))
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    app.register_blueprint(blueprint)
    wrap(app, RequestMetrics, metrics)


def _has(token: str) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(
        given.strip().encode(), token.encode()
    )


async def _encoded(
    encode: Callable[[CollectorRegistry], bytes], registry: CollectorRegistry
) -> bytes:
    """Return the text of all metrics. With several processes, their files are read in a thread.

    Other processes may add, extend or remove files meanwhile. If reading fails because of that, the
    files are read again.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return await asyncio.to_thread(encode, registry)
        except (struct.error, RuntimeError, OSError):  # a file is empty, incomplete or missing
            await asyncio.sleep(PAUSE)
    return await asyncio.to_thread(encode, registry)


def _sample(metrics: Metrics) -> None:
    metrics.sample(get_database().pool, get_password_hasher())


async def _keep_sampling(app: Quart, metrics: Metrics) -> None:
    while True:
        async with app.app_context():
            _sample(metrics)
        await asyncio.sleep(INTERVAL)
