"""The operator's commands for accounts. The rules are the same as on the pages."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.cli.maintenance import (
    connect_at_head,
    connected,
    enforce_foreign_keys,
    require_head,
)
from service.config import Settings
from service.db.sqlite import EngineConnection
from service.db.statements import Connection
from service.exceptions import FieldError, InvalidInputError, NotFoundError
from service.security.passwords import PasswordHasher
from service.users import accounts, queries
from service.users.exceptions import EmailTakenError
from service.users.forms import NewDetails
from service.users.queries import Account, Totals, UserRow, UserSummary
from service.validation import check_text


class NoAccountError(NotFoundError):
    """No account has this address, or it was deleted meanwhile."""

    def __init__(self) -> None:
        super().__init__("There is no account with this e-mail address.")


async def create_user(settings: Settings, email: str, password: str) -> str:
    """Make an account, and return its address in the canonical form.

    Raises InvalidInputError, also for an address that is taken, and SchemaError if the database
    cannot be reached or is not at head.
    """
    wanted = _storable(email, password)
    checked = await accounts.check_details(
        email=wanted.email,
        password=wanted.password,
        min_password_length=settings.password_min_length,
    )
    hashed = await PasswordHasher().hash(wanted.password)
    async with connect_at_head(settings) as opened:
        connection = EngineConnection(opened)
        try:
            async with connection.transaction():
                return (await accounts.register(connection, checked, hashed)).email
        except EmailTakenError as error:
            raise InvalidInputError(FieldError("email", str(error), error.code)) from error


async def set_password(settings: Settings, typed_email: str, password: str) -> tuple[str, int]:
    """Give an account another password, end its sessions and revoke its tokens.

    Returns its address, and the number of sessions that were ended. Raises NoAccountError,
    InvalidInputError, and SchemaError if the database cannot be reached or is not at head.
    """
    async with connect_at_head(settings) as opened:
        connection = EngineConnection(opened)
        account = await _find(connection, typed_email)
        await opened.rollback()  # so that no lock is held while the password is hashed
        password = _storable(account.email, password).password
        await accounts.check_details(
            password=password,
            present_email=account.email,
            min_password_length=settings.password_min_length,
        )
        hashed = await PasswordHasher().hash(password)
        async with connection.transaction():
            if await queries.get_hash_to_change(connection, account.id, whole=False) is None:
                raise NoAccountError  # deleted while the password was hashed
            return account.email, await accounts.change_password(connection, account.id, hashed)


async def get_summary(settings: Settings, typed_email: str) -> UserSummary:
    """Return an account with the numbers of its rows.

    Raises NoAccountError, and SchemaError if the database cannot be reached or is not at head.
    """
    async with _reading(settings) as connection:
        account = await _find(connection, typed_email)
        summary = await queries.get_summary(connection, account.id)
    if summary is None:
        raise NoAccountError
    return summary


async def get_overview(settings: Settings, count: int) -> tuple[Totals, list[UserRow]]:
    """Return the numbers of all people together, and the newest `count` accounts.

    Raises SchemaError if the database cannot be reached or is not at head.
    """
    async with _reading(settings) as connection:
        totals = await queries.get_totals(connection)
        return totals, await queries.list_newest_users(connection, count)


async def revoke_sessions(
    settings: Settings, user_id: int, *, tokens: bool
) -> tuple[int, int | None]:
    """End all sessions of an account and, with `tokens`, revoke its tokens.

    Returns both numbers; that of the tokens is None without `tokens`. Raises NoAccountError, and
    SchemaError if the database cannot be reached or is not at head.
    """
    async with connect_at_head(settings) as opened:
        connection = EngineConnection(opened)
        async with connection.transaction():
            # The lock first, and then the order of `accounts.change_password`: otherwise this could
            # deadlock with a change of the password, or with a deletion of the account.
            if await queries.get_hash_to_change(connection, user_id, whole=False) is None:
                raise NoAccountError
            revoked = await queries.delete_tokens(connection, user_id) if tokens else None
            return await queries.delete_sessions(connection, user_id), revoked


async def delete_user(settings: Settings, user_id: int) -> None:
    """Delete an account with everything that belongs to it.

    Raises NoAccountError, and SchemaError if the database cannot be reached or is not at head.
    """
    async with connect_at_head(settings) as opened:
        await enforce_foreign_keys(opened)
        connection = EngineConnection(opened)
        async with connection.transaction():
            if not await queries.delete_user(connection, user_id):
                raise NoAccountError


@asynccontextmanager
async def _reading(settings: Settings) -> AsyncIterator[Connection]:
    async with connected(settings.database) as opened:
        await require_head(opened)
        yield EngineConnection(opened)


async def _find(connection: Connection, typed_email: str) -> Account:
    account = await accounts.find_account(connection, typed_email)
    if account is None:
        raise NoAccountError
    return account


def _storable(email: str, password: str) -> NewDetails:
    """Return both texts. Raises InvalidInputError for a text that the database cannot store."""
    return check_text(NewDetails, {"email": email, "password": password})
