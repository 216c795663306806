"""The tables' MetaData, the names of constraints, and the type of times on both databases."""

from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect, MetaData, TypeDecorator

# PostgreSQL's own default names. The Flask application's tables, made without a convention, have
# them already, so a constraint has the same name whichever application made the table.
NAMING_CONVENTION = {
    "pk": "%(table_name)s_pkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "ck": "%(table_name)s_%(constraint_name)s_check",
}


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC. SQLite has no time zones, so it stores the time without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time: PostgreSQL would read it in the time zone of the session."""
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
        """Return an aware time in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# On SQLite, the migrations make every id AUTOINCREMENT. Without that, a new row may get the id of a
# deleted row, and a repeated DELETE would delete the new row. The tables here do not say so,
# because the option imports SQLite's dialect also for PostgreSQL.
metadata = MetaData(naming_convention=NAMING_CONVENTION)


def utc_now() -> datetime:
    """Return the time of this machine's clock, aware and in UTC. For tables use DatabaseNow."""
    return datetime.now(UTC)
