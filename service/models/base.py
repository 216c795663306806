"""The tables' MetaData, the names of constraints, and the type of times on both databases."""

from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect, MetaData, TypeDecorator

# PostgreSQL's own default names: the Flask application's tables, made without a convention,
# already carry them, so every constraint has the same name wherever the table came from.
NAMING_CONVENTION = {
    "pk": "%(table_name)s_pkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "ck": "%(table_name)s_%(constraint_name)s_check",
}


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC; SQLite, which has no time zones, holds it without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time: it would be taken for whatever zone the server is in."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002 - the signature of the base class
    ) -> datetime | None:
        """An aware time, whatever the database gave."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# On SQLite every table that makes ids is AUTOINCREMENT by its migration: without that a new row may
# get a deleted one's id, and a repeated DELETE would mean the new one. The tables do not say so,
# because saying it imports SQLite's dialect wherever PostgreSQL is the database.
metadata = MetaData(naming_convention=NAMING_CONVENTION)


def utc_now() -> datetime:
    """The time by this machine's clock, aware and in UTC. Never for a table: see DatabaseNow."""
    return datetime.now(UTC)
