"""A database that comes up late is waited for; one that refuses us is not."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import make_url

from service.config import Settings
from service.config.database_parameters import LOCK_TIMEOUT
from service.migrations import SchemaError, connections, head, upgrade
from service.migrations.revisions import parents
from tests.migrations.databases import Database
from tests.servers import free_port

STARTING = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
POOLER = b"SFATAL\0C08P01\0Munsupported startup parameter: jit\0\0"


def at_port(database: Database, port: int) -> Settings:
    url = make_url(database.url).set(port=port).render_as_string(hide_password=False)
    return Database(url).settings


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.02)


async def test_server_that_is_not_there_yet(
    on_postgresql: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="service")
    port = free_port()
    task = asyncio.create_task(upgrade(at_port(on_postgresql, port)))
    await until(lambda: caplog.text.count("waiting for the database") >= 2)
    assert on_postgresql.tables() == set()
    assert "database: nothing accepts connections at its address ([Errno 111]" in caplog.text
    async with await asyncio.start_server(forwarder(on_postgresql), "127.0.0.1", port):
        await asyncio.wait_for(task, 30)
    assert on_postgresql.revision() == head()


async def test_server_that_is_starting_up(
    on_postgresql: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """PostgreSQL accepts connections a while before it serves them."""
    caplog.set_level(logging.WARNING, logger="service")
    forward, calls = forwarder(on_postgresql), 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        if calls <= 3:
            await _say(STARTING, reader, writer)
        else:
            await forward(reader, writer)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await asyncio.wait_for(upgrade(at_port(on_postgresql, port)), 30)
    assert calls > 3
    assert "waiting for the database: the database system is starting up" in caplog.text
    assert on_postgresql.revision() == head()


async def test_waiting_has_an_end(on_postgresql: Database) -> None:
    begun = time.monotonic()
    with pytest.raises(SchemaError, match=r"did not answer for 0\.5 seconds: nothing accepts"):
        await upgrade(at_port(on_postgresql, free_port()), connect_wait=0.5)
    assert time.monotonic() - begun < 15


async def test_silent_server_has_an_end(on_postgresql: Database) -> None:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(SchemaError, match=r"did not answer for 0\.5 seconds: it gave no"):
            await asyncio.wait_for(upgrade(at_port(on_postgresql, port), connect_wait=0.5), 20)


async def test_database_that_does_not_exist(on_postgresql: Database) -> None:
    settings = Database(on_postgresql.url + "_gone").settings
    with pytest.raises(SchemaError, match=r"refuses us: database .* does not exist"):
        await upgrade(settings)


async def test_pooler_that_refuses_our_settings(
    on_postgresql: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """It is named at once, with what to do: waiting would not mend it."""
    caplog.set_level(logging.WARNING, logger="service")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _say(POOLER, reader, writer)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(SchemaError, match=r"PgBouncer.*direct URL.*session mode.*parameter: j"):
            await asyncio.wait_for(upgrade(at_port(on_postgresql, port)), 30)
    assert "waiting" not in caplog.text


async def test_at_head_costs_one_query(
    database_at_head: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cold start: no lock, and no Alembic."""

    async def fail(*_: object) -> None:
        raise AssertionError("it took the lock")

    monkeypatch.setattr("service.migrations.locks._poll", fail)
    await upgrade(database_at_head.settings)
    database_at_head.run(f"UPDATE alembic_version SET version_num = '{parents()[head()]}'")
    with pytest.raises(AssertionError, match="it took the lock"):
        await upgrade(database_at_head.settings)


async def test_limits_of_the_session(on_postgresql: Database) -> None:
    """Whatever the application's own are: an index may take its time, a lock may not."""
    url = f"{on_postgresql.url}?options=-c%20statement_timeout%3D1%20-c%20lock_timeout%3D60000"
    settings = Database(url).settings
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    async with connections.connect(settings.database) as connection:
        values = [(await connection.exec_driver_sql(f"SHOW {name}")).scalar_one() for name in names]
    assert values == ["1s", "0", "0"]
    assert LOCK_TIMEOUT > 1_000, "requests would give up while a migration still waits"
    assert settings.database.migration_connect_args["command_timeout"] is None


def forwarder(
    database: Database,
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """Passes everything on to the database's real server."""
    url = make_url(database.url)

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(url.host, url.port)
        await asyncio.gather(pump(reader, forth), pump(back, writer), return_exceptions=True)

    return serve


async def _say(error: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if await reader.readexactly(8) == b"\0\0\0\x08\x04\xd2\x16\x2f":  # "TLS?"
        writer.write(b"N")
        await reader.readexactly(8)
    writer.write(b"E" + (len(error) + 4).to_bytes(4) + error)
    writer.close()
    await writer.wait_closed()
