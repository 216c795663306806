"""Changing the address and the password of an account: the same steps for pages and API."""

from collections.abc import Awaitable, Callable

from service import db
from service.auth import renew_session
from service.auth.queries import SignedInUser, TokenOwner
from service.db.statements import Connection
from service.limits.rules import EMAIL_CHANGES_PER_USER, counted
from service.users import accounts
from service.users.password_verification import lock_verified
from service.users.queries import Account
from service.web.context import get_password_hasher

Authenticate = Callable[[Connection], Awaitable[SignedInUser | TokenOwner]]


async def change_account(
    account: Account,
    *,
    email: str | None,
    password: str | None,
    kept: int | None,
    authenticate: Authenticate,
) -> str:
    """Change the address, the password, or both. Return the address that the account has now.

    `password_verification.confirmed` has verified the password of `account`, and
    `accounts.check_details` has checked the new values; `email` is the canonical form. None leaves
    a value as it is. A new password ends every token and every session except `kept`, which gets
    another token. `authenticate` finds the person in the transaction, because the session may have
    ended since the request began.

    Counts a change of the address against EMAIL_CHANGES_PER_USER. Raises TooManyRequestsError;
    EmailTakenError; WrongCredentialsError if the password was changed or the account deleted
    meanwhile; and the errors of `authenticate`.
    """
    # Before the transaction: no connection is lent while a password is hashed.
    hashed = None if password is None else await get_password_hasher().hash(password)
    buckets = [] if email is None else [EMAIL_CHANGES_PER_USER.of(str(account.id))]
    async with counted(*buckets), db.transaction() as connection:
        await lock_verified(connection, account, whole=email is not None)
        now = await authenticate(connection)
        if email is not None:
            await accounts.change_email(connection, account.id, email)
        if hashed is not None:
            await accounts.change_password(connection, account.id, hashed, kept=kept)
            if kept is not None:
                await renew_session(connection, account.id, kept)
    return now.email if email is None else email
