"""The migrations and the models say the same; so do the files and what is read from them."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Table, create_engine

from service.migrations import SchemaError, head, revisions
from service.migrations.adoption import OURS
from service.models import metadata
from tests.migrations.conftest import Factory
from tests.migrations.databases import Database
from tests.migrations.flask import make_tables

ROOT = Path(__file__).resolve().parents[2]


def test_nothing_is_left_to_generate(database_at_head: Database) -> None:
    """`alembic check`: raises where models and schema differ."""
    command.check(database_at_head.config())


def test_names_and_definitions_are_those_of_the_models(
    database: Database, database_at_head: Database
) -> None:
    with database.connect() as connection:
        for table in _making_ids():
            table.dialect_options["sqlite"]["autoincrement"] = True
        metadata.create_all(connection)
    assert _comparable(database_at_head) == _comparable(database)


def test_sqlite_gives_each_id_once(sqlite_factory: Factory) -> None:
    """Every table that makes ids of its own says so; `alembic check` does not see it."""
    expected = sorted((table.name,) for table in _making_ids())
    assert len(expected) >= 4
    with sqlite_factory.new(Database.go_up) as at_head:
        assert at_head.shape()["ids_given_once"] == expected


def test_check_notices_a_difference(database_at_head: Database) -> None:
    database_at_head.run("DROP INDEX books_user_id_id_idx")
    with pytest.raises(Exception, match="books_user_id_id_idx"):
        command.check(database_at_head.config())


def test_tables_that_adoption_knows_are_those_of_the_models() -> None:
    """In an order in which they can be dropped."""
    tables = metadata.tables
    assert sorted(OURS) == sorted(tables)
    for name, table in tables.items():
        for key in table.foreign_keys:
            assert OURS.index(name) < OURS.index(key.column.table.name)


def test_one_head_and_it_is_read_right_without_alembic() -> None:
    script = ScriptDirectory(str(ROOT / "alembic"))
    assert script.get_heads() == [head()]
    assert revisions.parents() == {
        step.revision: step.down_revision for step in script.walk_revisions()
    }
    # The column that Alembic keeps them in.
    assert max(map(len, revisions.parents())) <= 32


def test_two_heads_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions, "parents", lambda: {"a": None, "b": "a", "c": "a"})
    head.cache_clear()
    with pytest.raises(SchemaError, match="one head, not 2"):
        head()
    monkeypatch.undo()
    head.cache_clear()


@pytest.mark.parametrize(
    "path", sorted(revisions.VERSIONS.glob("*.py")), ids=lambda path: path.stem
)
def test_a_revision_stands_alone(path: Path) -> None:
    """It does the same in years, whatever becomes of the models; its name has the date first."""
    text = path.read_text("utf-8")
    assert "import service" not in text
    assert "from service" not in text
    assert "create_all" not in text
    assert "def downgrade() -> None:" in text
    date, _, slug = path.stem.partition("_")
    assert len(date) == len("2026-11-22")
    assert f'revision: str = "{slug}"' in text


def test_sql_without_a_database(database: Database, database_at_head: Database) -> None:
    """`--sql` gives a script that makes the same schema when somebody else runs it."""
    _run_script(database, _sql(database, "head"))
    assert database.revision() == head()
    assert _comparable(database) == _comparable(database_at_head)
    _run_script(database, _sql(database, f"{head()}:baseline", down=True))
    assert database.revision() == "baseline"


def test_sql_for_the_flask_database(flask_database: Database) -> None:
    flask_database.run("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    flask_database.run("INSERT INTO alembic_version VALUES ('baseline')")
    _run_script(flask_database, _sql(flask_database, "baseline:head"))
    assert flask_database.value("SELECT email FROM users WHERE id = 2") == "bob@example.com"
    assert flask_database.value("SELECT email FROM users WHERE id = 4") == "Carol@Example.com"
    assert flask_database.value("SELECT rating FROM books WHERE id = 3") is None


def test_sql_sets_our_limits_on_postgresql(on_postgresql: Database) -> None:
    text = _sql(on_postgresql, "head")
    assert "SET lock_timeout = '1s';" in text
    assert "SET statement_timeout = '0';" in text


def test_sql_has_a_transaction_for_each_revision(database: Database) -> None:
    lines = _sql(database, "head").splitlines()
    # On PostgreSQL the addresses are a matter of their own: see canonical_emails.
    for word in ("BEGIN;", "COMMIT;"):
        assert lines.count(word) == len(revisions.parents())


def test_alembic_from_the_command_line(on_postgresql: Database, tmp_path: Path) -> None:
    """From the project's folder, whose own `alembic` must not hide the library, and from others."""
    for folder in (ROOT, tmp_path):
        done = subprocess.run(
            [sys.executable, "-m", "alembic", "-c", str(ROOT / "alembic.ini"), "upgrade", "head"],
            cwd=folder,
            env={"DATABASE_URL": on_postgresql.url, "CONFIG_TYPE": "testing"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert on_postgresql.revision() == head()


def _sql(database: Database, revision: str, *, down: bool = False) -> str:
    config = database.config()
    config.output_buffer = io.StringIO()
    run = command.downgrade if down else command.upgrade
    run(config, revision, sql=True)
    return config.output_buffer.getvalue()


def _run_script(database: Database, script: str) -> None:
    if database.is_sqlite:
        import sqlite3

        connection = sqlite3.connect(database.path)
        connection.executescript(script)
        connection.close()
        return
    engine = create_engine(database.url.replace("postgresql:", "postgresql+psycopg2:"))
    raw = engine.raw_connection()
    raw.driver_connection.autocommit = True  # type: ignore[union-attr]  # the script has its BEGINs
    raw.cursor().execute(script)
    raw.close()
    engine.dispose()


def _making_ids() -> list[Table]:
    """The tables whose ids the database makes."""
    tables = metadata.tables.values()
    return [table for table in tables if table.autoincrement_column is not None]


def _comparable(database: Database) -> Any:
    """Without the order of columns, and the defaults that are there for the Flask application."""
    shape = database.shape()
    shape["columns"] = sorted(column[:-1] for column in shape["columns"])
    return shape


def test_the_comparison_sees_a_name(on_postgresql: Database) -> None:
    """Guards the tests above: a constraint by another name is another schema."""
    make_tables(on_postgresql)
    before = _comparable(on_postgresql)
    on_postgresql.run("ALTER TABLE users RENAME CONSTRAINT users_email_key TO other")
    assert _comparable(on_postgresql) != before
