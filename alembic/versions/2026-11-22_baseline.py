"""The tables of the Flask application; a database of that application gets this revision."""

import sqlalchemy as sa
from alembic import op

revision: str = "baseline"
down_revision: str | None = None
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """The names are PostgreSQL's defaults: the Flask application did not name its constraints."""
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("password_hashed", sa.String(128), nullable=False),
        sa.Column("registered_on", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("users_pkey")),
        sa.UniqueConstraint("email", name=op.f("users_email_key")),
    )
    op.create_table(
        "books",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String()),
        sa.Column("author", sa.String()),
        sa.Column("rating", sa.Integer()),
        sa.Column("user_id", sa.Integer()),
        sa.PrimaryKeyConstraint("id", name=op.f("books_pkey")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("books_user_id_fkey")),
    )


def downgrade() -> None:
    """Loses every account and every book: no schema is left."""
    op.drop_table("books")
    op.drop_table("users")
