"""Somebody proves who they are with a password: limited, bounded, and even in time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from service import db
from service.context import get_password_hasher
from service.exceptions import OverloadedError, TooManyRequestsError
from service.limiting import LOGIN_PER_ACCOUNT, LOGIN_PER_ADDRESS, client_key, give_back, take
from service.users import accounts, queries


@asynccontextmanager
async def verified(
    email: str, password: str
) -> AsyncIterator[tuple[AsyncSession, Row[int, str, str]]]:
    """A transaction for what these credentials allow, and their account.

    No connection is held while the password is hashed. Raises WrongCredentialsError and
    TooManyRequestsError.
    """
    address = LOGIN_PER_ADDRESS.of(client_key())
    buckets = (address, LOGIN_PER_ACCOUNT.of(accounts.fold_email(email)))
    await take(address)
    try:
        await take(buckets[1])
    except TooManyRequestsError:
        await give_back(address)  # it learned nothing, and others share the address
        raise
    async with db.read() as connection:
        found = await accounts.find_account(connection, email)
    try:
        account, new_hash = await accounts.verify(found, password, get_password_hasher())
    except OverloadedError:
        await give_back(*buckets)
        raise
    # Before the work: the password was right whatever becomes of that, and what is done by then
    # must not be answered with a failure to give back.
    await give_back(*buckets)
    async with db.transaction() as session:
        if new_hash is not None:
            await queries.replace_password_hash(
                session, account.id, account.password_hashed, new_hash
            )
        yield session, account
