"""Give no id twice on SQLite, which gave a new row the id of the highest row if that was deleted.

With a reused id, a repeated DELETE could delete another row, and a new account inherited the limits
that were counted for the deleted one. PostgreSQL's sequences give no id twice.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "ids_given_once"
down_revision: str | None = "idempotency_keys"
branch_labels: None = None
depends_on: None = None

# Defaults of the database: see books_times.
NOW = sa.text("(datetime('now') || '.000000')")


def upgrade() -> None:
    """AUTOINCREMENT needs a new table. Ids continue after the highest id of the table."""
    _make_anew(autoincrement=True)


def downgrade() -> None:
    """Loses the highest id that was given: the id of a deleted row may be given again."""
    _make_anew(autoincrement=False)


def _make_anew(*, autoincrement: bool) -> None:
    """Replace SQLite's tables by new ones with the same rows and names; do nothing on PostgreSQL.

    Migrations run with foreign keys off. So dropping an old table deletes no row that refers to it,
    and the foreign keys of other tables find the new table by its name.
    """
    if op.get_context().dialect.name != "sqlite":
        return
    for table in (_users(), _books(), _sessions(), _access_tokens()):
        with op.batch_alter_table(
            table.name,
            copy_from=table,
            recreate="always",
            table_kwargs={"sqlite_autoincrement": autoincrement},
        ):
            pass


def _users() -> sa.Table:
    return sa.Table(
        "users",
        sa.MetaData(),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("password_hashed", sa.String(255), nullable=False),
        sa.Column("registered_on", sa.DateTime(), nullable=False),
        sa.Column("books_revision", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="users_pkey"),
        sa.UniqueConstraint("email", name="users_email_key"),
        sa.CheckConstraint("length(email) <= 254", name="users_email_length_check"),
    )


def _books() -> sa.Table:
    return sa.Table(
        "books",
        sa.MetaData(),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(500), nullable=False),
        sa.Column("author", sa.String(300), nullable=False),
        sa.Column("rating", sa.Integer()),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), server_default=NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(), server_default=NOW, nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="books_pkey"),
        _owner("books"),
        sa.CheckConstraint("length(title) BETWEEN 1 AND 500", name="books_title_length_check"),
        sa.CheckConstraint("length(author) BETWEEN 1 AND 300", name="books_author_length_check"),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name="books_rating_range_check"),
        sa.Index("books_user_id_id_idx", "user_id", "id"),
        sa.Index("books_user_id_title_id_idx", "user_id", "title", "id"),
    )


def _sessions() -> sa.Table:
    return sa.Table(
        "sessions",
        sa.MetaData(),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="sessions_pkey"),
        sa.UniqueConstraint("token_hash", name="sessions_token_hash_key"),
        _owner("sessions"),
        sa.Index("sessions_user_id_idx", "user_id"),
        sa.Index("sessions_expires_at_idx", "expires_at"),
    )


def _access_tokens() -> sa.Table:
    return sa.Table(
        "access_tokens",
        sa.MetaData(),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("scopes", sa.String(200), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.Column("last_used_at", sa.DateTime()),
        sa.PrimaryKeyConstraint("id", name="access_tokens_pkey"),
        sa.UniqueConstraint("token_hash", name="access_tokens_token_hash_key"),
        _owner("access_tokens"),
        sa.CheckConstraint(
            "length(name) BETWEEN 1 AND 100", name="access_tokens_name_length_check"
        ),
        sa.Index("access_tokens_user_id_idx", "user_id"),
        sa.Index("access_tokens_expires_at_idx", "expires_at"),
    )


def _owner(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id"], ["users.id"], name=f"{table}_user_id_fkey", ondelete="CASCADE"
    )
