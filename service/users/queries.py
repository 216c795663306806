"""Statements about accounts."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Float,
    ScalarSelect,
    Table,
    bindparam,
    case,
    delete,
    func,
    insert,
    select,
    update,
)

from service.db.statements import Connection, Statement, scalar
from service.models import (
    DatabaseNow,
    access_tokens_table,
    books_table,
    legacy_books_table,
    sessions_table,
    users_table,
)


class Account(NamedTuple):
    """An account with the hash of its password."""

    id: int
    email: str
    password_hashed: str


class UserRow(NamedTuple):
    """An account as its owner sees it."""

    id: int
    email: str
    registered_on: datetime


class UserSummary(NamedTuple):
    """An account as operators see it. Expired sessions and tokens are not counted."""

    id: int
    email: str
    registered_on: datetime
    books: int
    sessions: int
    tokens: int


class Totals(NamedTuple):
    """The numbers of all people together. Expired sessions and tokens are not counted."""

    accounts: int
    books: int
    sessions: int
    tokens: int


class SessionRow(NamedTuple):
    """A browser that is signed in, as its owner sees it."""

    id: int
    created_at: datetime
    expires_at: datetime


class TokenRow(NamedTuple):
    """An access token as its owner sees it."""

    id: int
    name: str
    scopes: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


_owner: BindParameter[int] = bindparam("owner")
_GET_BY_EMAIL = Statement(
    select(users_table.c.id, users_table.c.email, users_table.c.password_hashed)
    .where(users_table.c.email.in_((bindparam("typed"), bindparam("canonical"))))
    .order_by(case((users_table.c.email == bindparam("typed"), 0), else_=1))
    .limit(1),
    Account,
)
_ADD_USER = Statement(
    insert(users_table)
    .values(
        email=bindparam("email"),
        password_hashed=bindparam("password_hashed"),
        registered_on=DatabaseNow(),
        books_revision=0,
    )
    .returning(users_table.c.id, users_table.c.email, users_table.c.registered_on),
    UserRow,
)


def _get_hash(*, whole: bool) -> Statement[str]:
    query = select(users_table.c.password_hashed).where(users_table.c.id == _owner)
    return Statement(query.with_for_update(key_share=not whole), scalar)


_GET_HASH_TO_CHANGE = {whole: _get_hash(whole=whole) for whole in (False, True)}
_SET_PASSWORD_HASH = Statement(
    update(users_table)
    .where(users_table.c.id == _owner)
    .values(password_hashed=bindparam("new_hash")),
    scalar,
)
_SET_EMAIL = Statement(
    update(users_table).where(users_table.c.id == _owner).values(email=bindparam("new_email")),
    scalar,
)
# The table has no foreign keys, so no cascade deletes these rows.
_DELETE_LEGACY_BOOKS = Statement(
    delete(legacy_books_table).where(legacy_books_table.c.user_id == _owner), scalar
)
_DELETE_USER = Statement(
    delete(users_table).where(users_table.c.id == _owner).returning(users_table.c.id), scalar
)

_is_live_session = sessions_table.c.expires_at > DatabaseNow()
_is_live_token = access_tokens_table.c.expires_at > DatabaseNow()
_sessions = delete(sessions_table).where(sessions_table.c.user_id == _owner)
_DELETE_SESSIONS = Statement(_sessions.returning(_is_live_session), scalar)
_DELETE_OTHER_SESSIONS = Statement(
    _sessions.where(sessions_table.c.id != bindparam("kept")).returning(_is_live_session), scalar
)
_DELETE_SESSION = Statement(
    _sessions.where(sessions_table.c.id == bindparam("session_id")).returning(sessions_table.c.id),
    scalar,
)
_LIST_SESSIONS = Statement(
    select(sessions_table.c.id, sessions_table.c.created_at, sessions_table.c.expires_at)
    .where(sessions_table.c.user_id == _owner, _is_live_session)
    .order_by(sessions_table.c.id.desc())
    .limit(bindparam("count")),
    SessionRow,
)

_TOKEN = (
    access_tokens_table.c.id,
    access_tokens_table.c.name,
    access_tokens_table.c.scopes,
    access_tokens_table.c.created_at,
    access_tokens_table.c.expires_at,
    access_tokens_table.c.last_used_at,
)
_is_usable = (access_tokens_table.c.user_id == _owner, _is_live_token)
_COUNT_TOKENS: Statement[int] = Statement(
    select(func.count(access_tokens_table.c.id)).where(*_is_usable), scalar
)
_ADD_TOKEN = Statement(
    insert(access_tokens_table)
    .values(
        user_id=_owner,
        token_hash=bindparam("token_hash"),
        name=bindparam("name"),
        scopes=bindparam("scopes"),
        created_at=DatabaseNow(),
        expires_at=DatabaseNow(bindparam("lifetime", type_=Float())),
    )
    .returning(*_TOKEN),
    TokenRow,
)
_LIST_TOKENS = Statement(
    select(*_TOKEN).where(*_is_usable).order_by(access_tokens_table.c.id.desc()).limit(1000),
    TokenRow,
)
_GET_TOKEN = Statement(
    select(*_TOKEN).where(access_tokens_table.c.id == bindparam("token_id"), *_is_usable), TokenRow
)
_DELETE_TOKEN = Statement(
    delete(access_tokens_table)
    .where(access_tokens_table.c.id == bindparam("token_id"), *_is_usable)
    .returning(access_tokens_table.c.name),
    scalar,
)
_DELETE_TOKENS = Statement(
    delete(access_tokens_table)
    .where(access_tokens_table.c.user_id == _owner)
    .returning(_is_live_token),
    scalar,
)


def _count(table: Table, *conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).select_from(table).where(*conditions).scalar_subquery()


_GET_SUMMARY = Statement(
    select(
        users_table.c.id,
        users_table.c.email,
        users_table.c.registered_on,
        _count(books_table, books_table.c.user_id == _owner),
        _count(sessions_table, sessions_table.c.user_id == _owner, _is_live_session),
        _count(access_tokens_table, *_is_usable),
    ).where(users_table.c.id == _owner),
    UserSummary,
)
# The two statements without an owner: only operators run them.
_GET_TOTALS = Statement(
    select(
        _count(users_table),
        _count(books_table),
        _count(sessions_table, _is_live_session),
        _count(access_tokens_table, _is_live_token),
    ),
    Totals,
)
_LIST_NEWEST_USERS = Statement(
    select(users_table.c.id, users_table.c.email, users_table.c.registered_on)
    .order_by(users_table.c.id.desc())
    .limit(bindparam("count")),
    UserRow,
)


async def get_user_by_email(connection: Connection, typed: str, canonical: str) -> Account | None:
    """Return the account of an address, or None.

    An account with the spelling as typed comes first. The Flask application could store two
    accounts whose addresses have the same canonical form; the younger one keeps its own spelling.
    """
    return await _GET_BY_EMAIL.first(connection, typed=typed, canonical=canonical)


async def get_hash_to_change(connection: Connection, user_id: int, *, whole: bool) -> str | None:
    """Lock the account until the transaction ends. Return its password hash, or None if it is gone.

    With `whole`, PostgreSQL locks with FOR UPDATE instead of FOR NO KEY UPDATE: then no other
    transaction can add rows that refer to the account. A change of the address needs that lock.
    Take it here, because a later upgrade of the lock can deadlock.
    """
    return await _GET_HASH_TO_CHANGE[whole].first(connection, owner=user_id)


async def add_user(connection: Connection, email: str, password_hashed: str) -> UserRow:
    """Add an account."""
    return await _ADD_USER.one(connection, email=email, password_hashed=password_hashed)


async def set_password_hash(connection: Connection, user_id: int, password_hashed: str) -> None:
    """Replace the password hash of an account."""
    await _SET_PASSWORD_HASH.all(connection, owner=user_id, new_hash=password_hashed)


async def delete_sessions(connection: Connection, user_id: int, kept: int | None = None) -> int:
    """End all sessions of an account except `kept`.

    Returns the number of ended sessions, without those that had expired.
    """
    if kept is None:
        return sum(await _DELETE_SESSIONS.all(connection, owner=user_id))
    return sum(await _DELETE_OTHER_SESSIONS.all(connection, owner=user_id, kept=kept))


async def list_sessions(connection: Connection, user_id: int, count: int) -> Sequence[SessionRow]:
    """Return the newest `count` sessions that have not expired, newest first."""
    return await _LIST_SESSIONS.all(connection, owner=user_id, count=count)


async def end_session(connection: Connection, user_id: int, session_id: int) -> bool:
    """End one session of this person. Return False if there is no such session."""
    ended = await _DELETE_SESSION.first(connection, owner=user_id, session_id=session_id)
    return ended is not None


async def count_tokens(connection: Connection, user_id: int) -> int:
    """Return the number of this person's tokens that have not expired."""
    return await _COUNT_TOKENS.one(connection, owner=user_id)


async def add_token(
    connection: Connection,
    user_id: int,
    token_hash: bytes,
    *,
    name: str,
    scopes: str,
    lifetime: int,
) -> TokenRow:
    """Add a token that expires after `lifetime` seconds."""
    return await _ADD_TOKEN.one(
        connection,
        owner=user_id,
        token_hash=token_hash,
        name=name,
        scopes=scopes,
        lifetime=float(lifetime),
    )


async def list_tokens(connection: Connection, user_id: int) -> Sequence[TokenRow]:
    """Return this person's tokens that have not expired, newest first, at most 1,000."""
    return await _LIST_TOKENS.all(connection, owner=user_id)


async def get_token(connection: Connection, user_id: int, token_id: int) -> TokenRow | None:
    """Return a token of this person, or None if there is none or it has expired."""
    return await _GET_TOKEN.first(connection, owner=user_id, token_id=token_id)


async def delete_token(connection: Connection, user_id: int, token_id: int) -> str | None:
    """Delete a token of this person. Return its name, or None if there is no valid one."""
    return await _DELETE_TOKEN.first(connection, owner=user_id, token_id=token_id)


async def delete_tokens(connection: Connection, user_id: int) -> int:
    """Delete every token of this person. Return their number, without those that had expired."""
    return sum(await _DELETE_TOKENS.all(connection, owner=user_id))


async def set_email(connection: Connection, user_id: int, email: str) -> None:
    """Change the address of an account. The unique index decides whether it is free."""
    await _SET_EMAIL.all(connection, owner=user_id, new_email=email)


async def delete_user(connection: Connection, user_id: int) -> bool:
    """Delete an account and all its rows in other tables. Return False if it is gone already.

    Cascades of foreign keys delete most of the rows, so the connection must enforce foreign keys.
    """
    await _DELETE_LEGACY_BOOKS.all(connection, owner=user_id)
    return await _DELETE_USER.first(connection, owner=user_id) is not None


async def get_summary(connection: Connection, user_id: int) -> UserSummary | None:
    """Return an account with the numbers of its rows, or None if it is gone."""
    return await _GET_SUMMARY.first(connection, owner=user_id)


async def get_totals(connection: Connection) -> Totals:
    """Return the numbers of all people together. For operators: the time grows with the tables."""
    return await _GET_TOTALS.one(connection)


async def list_newest_users(connection: Connection, count: int) -> list[UserRow]:
    """Return the newest `count` accounts, newest first. For operators."""
    return await _LIST_NEWEST_USERS.all(connection, count=count)
