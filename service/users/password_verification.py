"""Verifying a password: rate limited, and equally long for every failure (decision 6)."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from service import db
from service.auth.queries import SignedInUser, TokenOwner
from service.db.statements import Connection
from service.limits.buckets import Bucket
from service.limits.rules import (
    CONFIRMATIONS_PER_SESSION,
    CONFIRMATIONS_PER_USER,
    LOGIN_PER_ACCOUNT,
    LOGIN_PER_ADDRESS,
    client_key,
    counted,
    give_back,
)
from service.users import accounts, queries
from service.users.exceptions import WrongCredentialsError
from service.users.queries import Account
from service.web.context import get_password_hasher

LIMITS = (LOGIN_PER_ADDRESS, LOGIN_PER_ACCOUNT)  # of a sign-in
# Of a signed-in person who confirms an action with the password. They are not the limits of a
# sign-in: a stranger who guesses passwords must not use up the owner's attempts.
CONFIRMATION_LIMITS = (CONFIRMATIONS_PER_SESSION, CONFIRMATIONS_PER_USER)
_ATTEMPTS = 3  # transactions: the hash may change between the verification and the lock


@asynccontextmanager
async def verified(email: str, password: str) -> AsyncIterator[tuple[Connection, Account]]:
    """Verify credentials, then open a transaction. Yield its connection and the account.

    No connection is lent while the password is hashed. The account is locked until the transaction
    ends, so that its password stays the verified one. Counts against `LIMITS`. Raises
    WrongCredentialsError and TooManyRequestsError.
    """
    buckets = (
        LOGIN_PER_ADDRESS.of(client_key()),
        LOGIN_PER_ACCOUNT.of(accounts.fold_email(email)),
    )
    async with _verified(email, password, buckets) as verification:
        yield verification


@asynccontextmanager
async def confirmed(
    user: SignedInUser | TokenOwner, session_id: int | None, password: str
) -> AsyncIterator[tuple[Connection, Account]]:
    """Verify the password of a signed-in person again, then open a transaction as `verified` does.

    Counts against `CONFIRMATION_LIMITS`. Raises WrongCredentialsError and TooManyRequestsError;
    the first also if the address belongs to another account by now.
    """
    buckets = (
        CONFIRMATIONS_PER_SESSION.of(str(session_id)),
        CONFIRMATIONS_PER_USER.of(str(user.id)),
    )
    async with _verified(user.email, password, buckets) as (connection, account):
        if account.id != user.id:
            raise WrongCredentialsError
        yield connection, account


@asynccontextmanager
async def _verified(
    email: str, password: str, buckets: Sequence[Bucket]
) -> AsyncIterator[tuple[Connection, Account]]:
    async with counted(*buckets):
        account, new_hash = await _verify(email, password)
    # Before the work: the password was right, whether the work succeeds or fails. And a failure to
    # give back after the work would answer a committed change with an error.
    await give_back(*buckets)
    for last in [*[False] * (_ATTEMPTS - 1), True]:
        async with db.transaction() as connection:
            try:
                await lock_verified(connection, account)
            except WrongCredentialsError:
                if last:
                    raise
            else:
                if new_hash is not None:
                    await queries.set_password_hash(connection, account.id, new_hash)
                    account = account._replace(password_hashed=new_hash)
                yield connection, account
                return
        # The password was changed, or another sign-in renewed its hash: verify again.
        account, new_hash = await _verify(email, password)


async def _verify(email: str, password: str) -> tuple[Account, str | None]:
    """Return the account of these credentials, and a new hash if the stored one is outdated."""
    async with db.read() as connection:
        found = await accounts.find_account(connection, email)
    return await accounts.verify(found, password, get_password_hasher())


async def lock_verified(connection: Connection, account: Account, *, whole: bool = False) -> None:
    """Lock an account until the transaction ends, and check that its password is still the same.

    Set `whole` if the address will be changed. Raises WrongCredentialsError if the password was
    changed since it was verified, or the account deleted.
    """
    hashed = await queries.get_hash_to_change(connection, account.id, whole=whole)
    if hashed != account.password_hashed:
        raise WrongCredentialsError
