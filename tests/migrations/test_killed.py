"""SIGKILL at any point of a migration: the next run ends like an undisturbed one."""

import asyncio
import multiprocessing
import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from service.migrations import head, upgrade
from tests.faults.scale import scale
from tests.migrations.conftest import Factory, prepare_flask
from tests.migrations.databases import Database

# Processes that are forked from one that has imported everything.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.migrations.test_killed", "alembic.command"])
POINTS = 9  # of the way from the first statement to the last


@dataclass(frozen=True)
class Whole:
    """An undisturbed run: how many statements and COMMITs it takes, and what it ends with."""

    count: int
    shape: Any
    content: Any


@pytest.fixture(scope="module")
def runs() -> dict[Factory, Whole]:
    return {}


@pytest.fixture
def whole(factory: Factory, runs: dict[Factory, Whole]) -> Whole:
    if factory not in runs:
        count = 0

        def add_one() -> None:
            nonlocal count
            count += 1

        with factory.new(prepare_flask) as database:
            with _before_each(add_one):
                asyncio.run(upgrade(database.settings))
            runs[factory] = Whole(count, database.shape(), database.content_without_times())
    return runs[factory]


@pytest.mark.parametrize("point", range(POINTS))
def test_killed(flask_database: Database, whole: Whole, point: int) -> None:
    assert whole.count > 5 * POINTS
    number = 1 + (whole.count - 1) * point // (POINTS - 1)
    process = FORKS.Process(target=_upgrade_until, args=(flask_database.url, number))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    asyncio.run(upgrade(flask_database.settings, lock_wait=20))
    assert flask_database.revision() == head()
    assert flask_database.shape() == whole.shape
    assert flask_database.content_without_times() == whole.content


@pytest.mark.parametrize("_number", range(scale(1, 20)))
def test_one_of_eight_is_killed(
    flask_database: Database, whole: Whole, tmp_path: Path, _number: int
) -> None:
    """Whoever is the first to get so far; another one goes on from there, and all end at head."""
    number = random.randint(1, whole.count)
    mark = tmp_path / "somebody-died"
    eight = [
        FORKS.Process(target=_upgrade_until, args=(flask_database.url, number, mark))
        for _ in range(8)
    ]
    for process in eight:
        process.start()
    for process in eight:
        process.join(60)
    assert sorted(process.exitcode or 0 for process in eight) == [-signal.SIGKILL, *[0] * 7]
    assert flask_database.revision() == head()
    assert flask_database.shape() == whole.shape
    assert flask_database.content_without_times() == whole.content


def _upgrade_until(url: str, number: int, mark: Path | None = None) -> None:
    """Runs in a process of its own, which dies just before statement or COMMIT `number`.

    Where there is a `mark`, only the process that makes this file dies.
    """
    left = number

    def count_down() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            if mark is not None:
                try:
                    mark.touch(exist_ok=False)
                except FileExistsError:
                    return
            os.kill(os.getpid(), signal.SIGKILL)

    with _before_each(count_down):
        asyncio.run(upgrade(Database(url).settings))


@contextmanager
def _before_each(act: Callable[[], None]) -> Iterator[None]:
    """Calls `act` before each statement and each COMMIT of any engine."""

    def listener(*_: object) -> None:
        act()

    for name in ("before_cursor_execute", "commit"):
        event.listen(Engine, name, listener)
    try:
        yield
    finally:
        for name in ("before_cursor_execute", "commit"):
            event.remove(Engine, name, listener)
