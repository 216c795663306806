"""bin/start: from an operating system's exec to a service that answers, or to a clear refusal."""

import asyncio
import os
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from service.migrations import head
from service.migrations.revisions import parents
from tests.deploy.instances import START, instance
from tests.live.processes import children
from tests.live.sockets import ask
from tests.migrations.databases import Database
from tests.servers import free_port
from tests.waiting import eventually

RENDERS = "--preload --access-logfile - --bind=0.0.0.0:{port}"  # GUNICORN_CMD_ARGS


def refused(variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [START], env=variables, capture_output=True, text=True, timeout=60, check=False
    )


async def test_two_workers_on_an_empty_database(
    empty_database: Database, variables: dict[str, str], tmp_path: Path
) -> None:
    more = {"DATABASE_URL": empty_database.url, "WEB_CONCURRENCY": "2"}
    with instance(variables | more, tmp_path / "log") as it:
        it.wait()
        assert (await ask(it.url, "GET", "/readyz")).status == 200
        it.wait_for_line("Booting worker", times=2)
        assert it.stop() == 0
    assert empty_database.revision() == head()
    assert it.log().count("schema: up to baseline") == 1


async def test_three_at_once_on_an_empty_database(
    empty_database: Database, variables: dict[str, str], tmp_path: Path
) -> None:
    """All of them serve, and each revision was applied by one."""
    with ExitStack() as stack:
        three = [
            stack.enter_context(
                instance(
                    variables | {"DATABASE_URL": empty_database.url, "PORT": str(free_port())},
                    tmp_path / f"log{number}",
                )
            )
            for number in range(3)
        ]
        for it in three:
            it.wait()
            assert (await ask(it.url, "GET", "/readyz")).status == 200
        applied = re.findall(r"schema: up to (\w+)", "".join(it.log() for it in three))
    assert sorted(applied) == sorted(parents())


@pytest.mark.parametrize(
    ("name", "value"),
    [("DATABASE_URL", "mysql://root:hunter2@db/readlog"), ("PORT", "0"), ("SHUTDOWN_DELAY", "5")],
)
def test_wrong_configuration(variables: dict[str, str], name: str, value: str) -> None:
    started = time.monotonic()
    done = refused(variables | {name: value})
    assert done.returncode == 2
    [line] = (done.stdout + done.stderr).splitlines()
    assert line.startswith(f"{name}: expected ")
    assert "hunter2" not in line
    assert time.monotonic() - started < 30


def test_not_our_database(empty_database: Database, variables: dict[str, str]) -> None:
    """Nothing listens, so a platform takes the deploy for a failed one; nothing was changed."""
    empty_database.run("CREATE TABLE users (id serial PRIMARY KEY, name text)")
    before = empty_database.fingerprint()
    done = refused(variables | {"DATABASE_URL": empty_database.url})
    assert done.returncode == 1
    assert "was not changed: it has users, but no books" in done.stderr
    assert "Listening" not in done.stderr
    assert empty_database.fingerprint() == before


async def test_migrating_is_off(
    empty_database: Database, variables: dict[str, str], tmp_path: Path
) -> None:
    """An old schema is told, and served as it is."""
    earlier = parents()[head()]
    assert earlier is not None
    await asyncio.to_thread(empty_database.go_up, earlier)  # which runs a loop of its own
    off = {"DATABASE_URL": empty_database.url, "MIGRATE_ON_START": "off"}
    with instance(variables | off, tmp_path / "log") as it:
        it.wait()
        assert (await ask(it.url, "GET", "/readyz")).status == 200
        [warning] = (line for line in it.log().splitlines() if line.startswith("WARNING"))
    assert f"revision {earlier}, not {head()}: run bin/migrate" in warning
    assert empty_database.revision() == earlier


async def test_migrating_is_off_without_a_database(
    variables: dict[str, str], tmp_path: Path
) -> None:
    """It is told, and answered for: with 503 as long as it lasts."""
    nowhere = f"postgresql://reader:hunter2@127.0.0.1:{free_port()}/books"
    off = {"DATABASE_URL": nowhere, "MIGRATE_ON_START": "off"}
    with instance(variables | off, tmp_path / "log") as it:
        it.wait()
        assert (await ask(it.url)).status == 200
        assert (await ask(it.url, "GET", "/readyz")).status == 503
        assert "the database did not answer" in it.log()
        assert "hunter2" not in it.log()


@pytest.mark.parametrize("migrating", ["on", "off"])
@pytest.mark.parametrize(
    ("query", "more", "words"),
    [
        ("?options=-c%20nonsense%3D1", {}, 'unrecognized configuration parameter "nonsense"'),
        ("", {"PGSSLMODE": "always"}, "`sslmode` parameter must be one of"),
    ],
)
def test_setting_that_only_connecting_shows(
    empty_database: Database,
    variables: dict[str, str],
    migrating: str,
    query: str,
    more: dict[str, str],
    words: str,
) -> None:
    """It ends like any other wrong setting, whether the start migrates or not."""
    url = {"DATABASE_URL": empty_database.url + query, "MIGRATE_ON_START": migrating}
    done = refused(variables | more | url)
    assert done.returncode == 2
    assert sum(words in line for line in done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert "Listening" not in done.stderr
    assert "waiting" not in done.stderr


def test_refused_by_the_server(empty_database: Database, variables: dict[str, str]) -> None:
    url = f"{empty_database.url}_gone"
    done = refused(variables | {"DATABASE_URL": url})
    assert done.returncode == 1
    assert "the database refuses us: database" in done.stderr
    assert "waiting" not in done.stderr


async def test_refused_while_migrating_is_off(
    empty_database: Database, variables: dict[str, str], tmp_path: Path
) -> None:
    """It serves what it can, and is well again as soon as the refusal has been taken back."""
    url = f"{empty_database.url}_later"
    off = {"DATABASE_URL": url, "MIGRATE_ON_START": "off"}
    with instance(variables | off, tmp_path / "log") as it:
        it.wait()
        assert (await ask(it.url, "GET", "/livez")).status == 200
        assert (await ask(it.url, "GET", "/readyz")).status == 503
        assert (await ask(it.url, "GET", "/status")).status == 503
        assert "does not exist" in it.log()
        assert "Traceback" not in it.log()
        await asyncio.to_thread(empty_database.go_up)  # which runs a loop of its own
        empty_database.run_alone(
            f"CREATE DATABASE {empty_database.name}_later TEMPLATE {empty_database.name}"
        )
        try:
            assert (await ask(it.url, "GET", "/readyz")).status == 200
        finally:
            it.stop()
            empty_database.run_alone(f"DROP DATABASE {empty_database.name}_later WITH (FORCE)")


async def test_old_schema_that_lacks_a_table(
    empty_database: Database, variables: dict[str, str], tmp_path: Path
) -> None:
    """With migrating off, a release does not count as ready before somebody has migrated."""
    await asyncio.to_thread(empty_database.go_up, "sessions")
    off = {"DATABASE_URL": empty_database.url, "MIGRATE_ON_START": "off"}
    with instance(variables | off, tmp_path / "log") as it:
        it.wait()
        assert (await ask(it.url, "GET", "/readyz")).status == 503
        assert "DATABASE_UNAVAILABLE: its schema is not the one of this release" in it.log()
        await asyncio.to_thread(empty_database.go_up)

        async def ready() -> bool:
            return (await ask(it.url, "GET", "/readyz")).status == 200

        await eventually(ready)


async def test_alembic_is_for_migrating(
    sqlite_url: str, variables: dict[str, str], tmp_path: Path
) -> None:
    """At head, a cold start does not pay for what only a migration needs."""
    imports = {"PYTHONPROFILEIMPORTTIME": "1"}
    for name, url in {"at_head": sqlite_url, "new": f"sqlite:///{tmp_path}/new.db"}.items():
        more = {"DATABASE_URL": url, "WEB_CONCURRENCY": "2", **imports}
        with instance(variables | more, tmp_path / name) as it:
            it.wait()
            assert (await ask(it.url, "GET", "/readyz")).status == 200
            assert it.stop() == 0
        imported = set(re.findall(r"^import time:.*\| +([\w.]+)$", it.log(), re.M))
        assert "sqlalchemy" in imported
        assert ("alembic" in imported) == (name == "new")
        # Workers share what the master imported: nothing is imported twice.
        assert it.log().count(" sqlalchemy.sql.selectable\n") == 1


@pytest.mark.parametrize("command", [[START], [sys.executable, "-m", "gunicorn"]])
async def test_renders_arguments_for_gunicorn(
    sqlite_url: str, variables: dict[str, str], tmp_path: Path, command: list[str]
) -> None:
    """Render sets GUNICORN_CMD_ARGS: bin/start does without it, and so can gunicorn alone."""
    other = free_port()
    arguments = RENDERS.format(port=other if command == [START] else variables["PORT"])
    if command != [START]:
        command = [*command, "service.app:create_app()"]
    preset = {"GUNICORN_CMD_ARGS": arguments, "FORWARDED_ALLOW_IPS": "*"}
    more = {"DATABASE_URL": sqlite_url, **preset}
    with instance(variables | more, tmp_path / "log", command) as it:
        it.wait()
        headers = ["X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https"]
        assert (await ask(it.url, "GET", "/login", *headers)).status == 200
        assert it.stop() == 0
    assert it.log().count("/login") == 1  # gunicorn's own access log would make it two
    assert "6.6.6.6" not in it.log()


async def test_nothing_is_left_in_slow_places(
    sqlite_url: str, variables: dict[str, str], tmp_path: Path
) -> None:
    """The heartbeat's file is in memory, and there is no socket to control gunicorn by."""
    home = tmp_path / "home"
    home.mkdir()
    more = {"DATABASE_URL": sqlite_url, "HOME": str(home), "XDG_RUNTIME_DIR": str(home)}
    with instance(variables | more, tmp_path / "log") as it:
        it.wait_for_line("Application startup complete.")
        [worker] = children(it.pid)
        folder = Path(f"/proc/{worker}/fd")
        files = [os.readlink(folder / name) for name in os.listdir(folder)]
        assert any(name.startswith("/dev/shm/") for name in files)
        assert list(home.iterdir()) == []


async def test_too_many_connections(
    empty_database: Database, variables: dict[str, str], tmp_path: Path
) -> None:
    """Two releases during a deploy, each with all that its pools may open."""
    pools = {"WEB_CONCURRENCY": "2", "DB_POOL_SIZE": "100", "DB_MAX_OVERFLOW": "100"}
    more = {"DATABASE_URL": empty_database.url, **pools}
    with instance(variables | more, tmp_path / "log") as it:
        it.wait()
        [warning] = (line for line in it.log().splitlines() if line.startswith("WARNING"))
    assert "2 workers with up to 200 connections take 400, twice that during a deploy" in warning


def test_settings_of_gunicorn(variables: dict[str, str], sqlite_url: str) -> None:
    """25 seconds of the 30 that platforms give, and five less than they are said to give."""
    for delay, grace in {"": "25", "60": "55"}.items():
        done = subprocess.run(
            [START, "--print-config"],
            env=variables | {"DATABASE_URL": sqlite_url, "SHUTDOWN_DELAY": delay},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        settings = dict(re.findall(r"^(\w+) += (.*)$", done.stdout, re.M))
        assert settings["graceful_timeout"] == grace
        assert settings["keepalive"] == "75"
        assert settings["control_socket_disable"] == "True"
        assert settings["accesslog"] == "None"
