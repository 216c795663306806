"""GET /metrics, for a Prometheus that has the token."""

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
from service.limits.views import unlimited
from service.telemetry.metrics import Metrics, RequestMetrics
from service.web.context import get_password_hasher
from service.web.middleware import wrap

ATTEMPTS = 10  # to read the files of all processes
PAUSE = 0.05  # seconds between two of them
INTERVAL = 1.0  # seconds between two looks that a process takes at itself for another to tell


def init_app(app: Quart, settings: Settings, token: str) -> None:
    """Measure, and tell it who has the token."""
    metrics = Metrics(settings.metrics_folder)
    blueprint = Blueprint("metrics", __name__)

    @blueprint.get("/metrics")
    @public
    @unlimited("needs a token, asks no database")
    async def tell() -> Response:
        """Everything there is, of all processes where they share a folder."""
        if not _has(token):
            raise Unauthorized(
                "This address is to be asked with its token.",
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
    """All that is to be told. With several processes it is read from their files, a few for each.

    A process that starts or grows makes them while they are read: then they are read again.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return await asyncio.to_thread(encode, registry)
        except (struct.error, RuntimeError, OSError):  # empty, not all there, or gone
            await asyncio.sleep(PAUSE)
    return await asyncio.to_thread(encode, registry)


def _sample(metrics: Metrics) -> None:
    metrics.sample(get_database().pool, get_password_hasher())


async def _keep_sampling(app: Quart, metrics: Metrics) -> None:
    while True:
        async with app.app_context():
            _sample(metrics)
        await asyncio.sleep(INTERVAL)
