"""The service on a SQLite whose disk is full in one of two ways, or that may only be read."""

import os
import resource
from collections.abc import AsyncGenerator
from typing import Any

from quart import Quart
from sqlalchemy import event

from service.app import create_app as create_service


def create_app() -> Quart:
    """The service; the variables PRAGMA and FILE_SIZE (bytes) say what its database may not do."""
    app = create_service()

    @app.while_serving
    async def limit() -> AsyncGenerator[None, None]:
        pool = app.extensions["database"].pool
        event.listen(pool.engine.sync_engine, "connect", _configure)
        if size := os.environ.get("FILE_SIZE"):
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), int(size)))
        yield

    return app


def _configure(connection: Any, _record: Any) -> None:
    if pragma := os.environ.get("PRAGMA"):
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
