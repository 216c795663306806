"""Somebody proves who they are with a password: limited, bounded, and even in time."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from service import db
from service.auth.queries import SignedInUser, TokenOwner
from service.db.statements import Connection
from service.limits.buckets import Bucket
from service.limits.views import (
    CONFIRMATIONS_PER_SESSION,
    CONFIRMATIONS_PER_USER,
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

LIMITS = (LOGIN_PER_ADDRESS, LOGIN_PER_ACCOUNT)  # of signing in
# Of proving it again. A stranger who guesses passwords does not use up what the owner needs (S25).
CONFIRMATION_LIMITS = (CONFIRMATIONS_PER_SESSION, CONFIRMATIONS_PER_USER)
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
    async with _verified(email, password, buckets) as verification:
        yield verification


@asynccontextmanager
async def confirmed(
    user: SignedInUser | TokenOwner, session_id: int | None, password: str
) -> AsyncIterator[tuple[Connection, Account]]:
    """The same for a person who is signed in, and proves it again.

    Raises WrongCredentialsError also where the address has become another person's since.
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
        raise WrongCredentialsError
