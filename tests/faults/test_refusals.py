"""A database that answers, but does not do what it is asked for."""

import asyncio

from tests.faults.history import History, Reader, check_answers, check_rows, is_try_later, send
from tests.faults.test_exhaustion import as_role, session
from tests.migrations.databases import Database
from tests.servers import Gunicorn, gunicorn
from tests.waiting import eventually

ATTEMPTS = 5  # in one of which two edits begin at about the same time


async def test_read_only(
    environment: dict[str, str], database: Database, readers: list[Reader]
) -> None:
    """Lists are shown; a write is asked to come back, also by a role that may only read."""
    async with session(database) as other:
        for role in ("stale", "meek"):
            await other.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
            rights = "ALL" if role == "stale" else "SELECT"
            await other.execute(f"GRANT {rights} ON ALL TABLES IN SCHEMA public TO {role}")
        await other.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO stale")
        await other.execute("ALTER ROLE stale SET default_transaction_read_only = on")
        try:
            for role in ("stale", "meek"):
                as_it = {"DATABASE_URL": as_role(environment["DATABASE_URL"], role)}
                with gunicorn(environment | as_it, workers=1) as service:
                    history = History(service.url)
                    await check_reads_only(history, readers)
                    assert "unforeseen error" not in service.log()
                    check_rows(history, database)
        finally:
            for role in ("stale", "meek"):
                await other.execute(f"DROP OWNED BY {role}")
                await other.execute(f"DROP ROLE {role}")


async def check_reads_only(history: History, readers: list[Reader]) -> None:
    for reader in readers[:3]:
        assert (await history.do("list", reader)).status == 200
        for kind in ("add", "register", "login"):
            operation = await history.do(kind, reader)
            assert operation.answer is not None
            assert is_try_later(operation.answer), (kind, operation.status)
        assert (await history.do("list", reader)).status == 200


async def test_deadlock(service: Gunicorn, database: Database, readers: list[Reader]) -> None:
    """Two edits that wait for each other through a third: one is given up, and says so."""
    history = History(service.url)
    # Of two people: one person's changes are made one after the other.
    one, other_one = readers[:2]
    for reader in (one, other_one):
        assert (await history.do("add", reader)).status == 303
    [(first,), (second,)] = database.rows("SELECT id FROM books ORDER BY id")

    async def edit(reader: Reader, book_id: int, attempt: int) -> int:
        fields = {"book_title": f"edited {attempt}", "book_author": "Somebody", "book_rating": "1"}
        path = f"/books/{book_id}/edit"
        answer = await send(service.url, "POST", path, fields, reader.cookie)
        assert answer is not None
        assert answer.status == 303 or is_try_later(answer), answer.status
        return answer.status

    async with session(database) as other:
        # A write to one book needs the other too, as with a rule that keeps them in order.
        await other.execute(f"""
            CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            PERFORM pg_sleep(0.3);
            PERFORM 1 FROM books WHERE id = {first} + {second} - NEW.id FOR UPDATE;
            RETURN NEW; END $$
        """)
        await other.execute("""
            CREATE TRIGGER touch AFTER UPDATE ON books FOR EACH ROW EXECUTE FUNCTION touch()
        """)
        await other.execute(f"ALTER DATABASE {database.name} SET deadlock_timeout = '100ms'")
        await other.execute("""
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
        """)

    async def all_served() -> bool:
        done = await asyncio.gather(*(history.do("list", one) for _ in range(10)))
        return all(operation.outcome == "ok" for operation in done)

    await eventually(all_served)  # on new connections, that know the new setting
    for attempt in range(ATTEMPTS):
        statuses = await asyncio.gather(edit(one, first, attempt), edit(other_one, second, attempt))
        if 503 in statuses:
            break
    assert sorted(statuses) == [303, 503]


async def test_serialization_failure(
    environment: dict[str, str], database: Database, readers: list[Reader]
) -> None:
    """Also where every transaction must be serializable, nobody gets a 500."""
    async with session(database) as other:
        await other.execute("""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001'; END $$
        """)
        await other.execute("""
            CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON books DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW WHEN (NEW.id % 2 = 0) EXECUTE FUNCTION refuse()
        """)
    with gunicorn(environment, workers=1) as service:
        history = History(service.url)
        for reader in readers:
            await history.do("add", reader)
        check_answers(history.operations)
        assert sorted({op.status or 0 for op in history.operations}) == [303, 503]
        assert "unforeseen error" not in service.log()
    check_rows(history, database)
