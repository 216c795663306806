"""Removes, from time to time, rows that mean nothing any more: what has expired."""

import asyncio
import logging
import random

from quart import Quart

from service import db, idempotency
from service.auth import queries as sessions
from service.exceptions import DatabaseUnavailableError
from service.security import limits

FIRST = 180.0  # seconds after the start, when a cold start needs the processor no more
INTERVAL = 3600.0  # seconds between two rounds of one process


def init_app(app: Quart) -> None:
    """Run beside serving, in every process: deleting nothing costs nothing."""

    @app.before_serving
    async def start() -> None:
        app.extensions["housekeeping"] = asyncio.create_task(_run(app))

    @app.after_serving
    async def stop() -> None:
        task = app.extensions["housekeeping"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def clean_up() -> None:
    """Do one round."""
    async with db.read() as connection:
        await sessions.delete_expired(connection)
        await limits.delete_expired(connection)
        await idempotency.delete_expired(connection)


async def _run(app: Quart) -> None:
    pause = FIRST
    while True:
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # not in every process together
        pause = INTERVAL
        try:
            async with app.app_context():
                await clean_up()
        except DatabaseUnavailableError:
            logging.getLogger(__name__).warning("housekeeping: the database did not answer")
        except Exception:
            logging.getLogger(__name__).exception("housekeeping failed")
