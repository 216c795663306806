"""Runs commands in this process, as `readlog` does."""

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from service.__main__ import command_line
from service.app import create_app
from service.config import Settings

Run = Callable[..., Result]


def on(settings: Settings, work: Any) -> Any:
    """Runs a coroutine function on a serving application."""

    async def serve() -> Any:
        app = create_app(settings)
        async with app.test_app():
            return await work(app)

    return asyncio.run(serve())


@pytest.fixture(autouse=True)
def environment_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the person who runs the tests is a setting of theirs."""
    for name in os.environ.keys() - {"PATH", "HOME", "LANG", "LC_ALL"}:
        if not name.startswith(("PYTEST_", "COV_")):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """The application logs to a standard error that is gone with the runner."""
    logger = logging.getLogger("service")
    before = logger.handlers, logger.level, logger.propagate
    yield
    logger.handlers, logger.level, logger.propagate = before


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """`run("backup", "-", input=…, NAME="value")`; the database is that of the test."""

    def run(*args: str, input: str | bytes | None = None, **more: str) -> Result:  # noqa: A002
        runner = CliRunner(env=environment | more)
        return runner.invoke(command_line(), args, input=input, prog_name="readlog")

    return run
