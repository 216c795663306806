"""The rules of accounts: registering, finding, verifying and changing an account."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from service.db.statements import Connection
from service.db.violations import violates
from service.exceptions import (
    FieldError,
    InvalidInputError,
)
from service.security.passwords import PasswordHasher
from service.security.timing import EvenTiming
from service.users import queries
from service.users.exceptions import EmailTakenError, WrongCredentialsError
from service.users.forms import canonical_email, new_email
from service.users.passwords import check_new_password
from service.users.queries import Account, UserRow
from service.validation import is_storable

_failures = EvenTiming()  # all failed sign-ins of this process take equally long: decision 6


async def check_details(
    *,
    email: str | None = None,
    password: str | None = None,
    present_email: str = "",
    min_password_length: int,
) -> str:
    """Check a new address, a new password, or both. Return the address in its canonical form.

    If no new address is given, return `present_email`. The password is also compared with the
    address: it must not resemble it. Raises one InvalidInputError for all errors in the fields
    `email` and `password`.
    """
    errors: list[FieldError] = []
    checked = present_email if email is None else email
    if email is not None:
        try:
            checked = new_email(email)
        except InvalidInputError as error:
            errors.extend(error.errors)
    if password is not None:
        try:
            # In a thread, because the first call unpacks the list of common passwords (20 ms).
            await asyncio.to_thread(
                check_new_password, password, checked, min_length=min_password_length
            )
        except InvalidInputError as error:
            errors.extend(error.errors)
    if errors:
        raise InvalidInputError(*errors)
    return checked


async def register(connection: Connection, email: str, password_hashed: str) -> UserRow:
    """Add an account whose details `check_details` has checked. Raises EmailTakenError.

    The unique index decides whether the address is free: a SELECT before it would be a race.
    """
    with _email_taken():
        return await queries.add_user(connection, email, password_hashed)


async def change_email(connection: Connection, user_id: int, email: str) -> None:
    """Change the address of an account to `email`, a canonical form. Raises EmailTakenError."""
    with _email_taken():
        await queries.set_email(connection, user_id, email)


async def change_password(
    connection: Connection, user_id: int, hashed: str, *, kept: int | None = None
) -> int:
    """Change the password of an account, end all its tokens, and its sessions except `kept`.

    Returns the number of sessions that were ended.
    """
    await queries.set_password_hash(connection, user_id, hashed)
    await queries.delete_tokens(connection, user_id)
    return await queries.delete_sessions(connection, user_id, kept)


@contextmanager
def _email_taken() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if violates(error, "users_email_key"):
            raise EmailTakenError from error
        raise


async def find_account(connection: Connection, typed_email: str) -> Account | None:
    """Return the account of an address as a person typed it, or None.

    A text that the databases cannot store has no account. The command line can pass such a text,
    because an argument may hold bytes that are not UTF-8.
    """
    if not is_storable(typed_email):
        return None
    return await queries.get_user_by_email(connection, typed_email, fold_email(typed_email))


def fold_email(typed_email: str) -> str:
    """Return the canonical form of an address.

    An address that could not register today may belong to an old account (decision 8). Those were
    made lower case if they are ASCII, else left as they are.
    """
    try:
        return canonical_email(typed_email)
    except InvalidInputError:
        return typed_email.lower() if typed_email.isascii() else typed_email


async def verify(
    account: Account | None, password: str, hasher: PasswordHasher
) -> tuple[Account, str | None]:
    """Check a password. Return the account, and a new hash to store if the old one is outdated.

    Raises WrongCredentialsError. That takes equally long for every account, and for none
    (decision 6).
    """
    hashed = None if account is None else account.password_hashed
    verdict = await hasher.verify(password, hashed)
    _failures.note(verdict.work)
    if account is None or not verdict.right:
        await _failures.hold(verdict.work)
        raise WrongCredentialsError
    return account, await hasher.hash(password) if verdict.outdated else None
