"""Somebody proves who they are with a password: limited, bounded, and even in time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service import db
from service.db.statements import Connection
from service.limits.views import (
    LOGIN_PER_ACCOUNT,
    LOGIN_PER_ADDRESS,
    client_key,
    counted,
    give_back,
)
from service.users import accounts, queries
from service.users.accounts import WrongCredentialsError
from service.users.queries import Account
from service.web.context import get_password_hasher

LIMITS = (LOGIN_PER_ADDRESS, LOGIN_PER_ACCOUNT)  # what it counts against
_ATTEMPTS = 3  # to find the hash as it was when the password was checked


@asynccontextmanager
async def verified(email: str, password: str) -> AsyncIterator[tuple[Connection, Account]]:
    """A transaction for what these credentials allow, and their account.

    No connection is held while the password is hashed, and nobody changes it before the transaction
    ends. Raises WrongCredentialsError and TooManyRequestsError.
    """
    buckets = (
        LOGIN_PER_ADDRESS.of(client_key()),
        LOGIN_PER_ACCOUNT.of(accounts.fold_email(email)),
    )
    async with counted(*buckets):
        account, new_hash = await _verify(email, password)
    # Before the work: the password was right whatever becomes of that, and what is done by then
    # must not be answered with a failure to give back.
    await give_back(*buckets)
    for last in [*[False] * (_ATTEMPTS - 1), True]:
        async with db.transaction() as connection:
            try:
                await hold(connection, account)
            except WrongCredentialsError:
                if last:
                    raise
            else:
                if new_hash is not None:
                    await queries.set_password_hash(connection, account.id, new_hash)
                    account = account._replace(password_hashed=new_hash)
                yield connection, account
                return
        # Changed, or only hashed anew by another sign-in: look again.
        account, new_hash = await _verify(email, password)


async def _verify(email: str, password: str) -> tuple[Account, str | None]:
    """The account of these credentials, and a new hash to keep where its own is outdated."""
    async with db.read() as connection:
        found = await accounts.find_account(connection, email)
    return await accounts.verify(found, password, get_password_hasher())


async def hold(connection: Connection, account: Account, *, whole: bool = False) -> None:
    """Keep the password what it was proven to be, until the transaction ends.

    `whole` where the address is to be changed. Raises WrongCredentialsError where the password was
    changed meanwhile, or the account deleted.
    """
    hashed = await queries.get_hash_to_change(connection, account.id, whole=whole)
    if hashed != account.password_hashed:
        raise WrongCredentialsError("Incorrect login credentials.")
