"""The rules of accounts: who may register, and who is who."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from service.db.statements import Connection
from service.db.violations import VIOLATIONS, violates
from service.exceptions import (
    ConflictError,
    FieldError,
    InvalidInputError,
    NotAuthenticatedError,
)
from service.security.passwords import PasswordHasher
from service.security.timing import EvenTiming
from service.shapes import is_storable
from service.users import queries
from service.users.forms import canonical_email, new_email
from service.users.passwords import check_new_password
from service.users.queries import Account, UserRow


class EmailTakenError(ConflictError):
    """There is an account with this e-mail address already."""

    code = "EMAIL_TAKEN"
    public_description = "There is an account with this e-mail address already."

    def __init__(self) -> None:
        super().__init__("There is an account with this e-mail address already.")


class WrongCredentialsError(NotAuthenticatedError):
    """The address has no account, or another password."""

    code = "WRONG_CREDENTIALS"
    public_description = "The address has no account, or another password."

    def __init__(self) -> None:
        super().__init__("Incorrect login credentials.")


_failures = EvenTiming()


async def check_details(
    *,
    email: str | None = None,
    password: str | None = None,
    present_email: str = "",
    min_password_length: int,
) -> str:
    """Check a new address, a new password, or both; returns the address in its canonical form.

    Without a new address that is the present one. The password must not be made of the address.
    Raises InvalidInputError about the fields `email` and `password`, both of them where both are
    wrong.
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
            # In a thread: the list of common passwords is unpacked the first time.
            await asyncio.to_thread(
                check_new_password, password, checked, min_length=min_password_length
            )
        except InvalidInputError as error:
            errors.extend(error.errors)
    if errors:
        raise InvalidInputError(*errors)
    return checked


async def register(connection: Connection, email: str, password_hashed: str) -> UserRow:
    """Add an account with checked details. Raises EmailTakenError.

    The unique index alone decides whether the address is free.
    """
    with _email_taken():
        return await queries.add_user(connection, email, password_hashed)


async def change_email(connection: Connection, user_id: int, email: str) -> None:
    """Give an account another address, in its canonical form. Raises EmailTakenError."""
    with _email_taken():
        await queries.set_email(connection, user_id, email)


async def change_password(
    connection: Connection, user_id: int, hashed: str, *, kept: int | None = None
) -> int:
    """Give an account another password, which ends its tokens, and its sessions but the one kept.

    Returns how many sessions that ended.
    """
    await queries.set_password_hash(connection, user_id, hashed)
    await queries.delete_tokens(connection, user_id)
    return await queries.delete_sessions(connection, user_id, kept)


@contextmanager
def _email_taken() -> Iterator[None]:
    try:
        yield
    except VIOLATIONS as error:
        if violates(error, "users_email_key"):
            raise EmailTakenError from error
        raise


async def find_account(connection: Connection, typed_email: str) -> Account | None:
    """The account of an address as somebody typed it, or None.

    An operator's shell passes any bytes on: what is no UTF-8 is nobody's address.
    """
    if not is_storable(typed_email):
        return None
    return await queries.get_user_by_email(connection, typed_email, fold_email(typed_email))


def fold_email(typed_email: str) -> str:
    """The canonical form; for what could not register today, the one that old addresses got."""
    try:
        return canonical_email(typed_email)
    except InvalidInputError:
        return typed_email.lower() if typed_email.isascii() else typed_email


async def verify(
    account: Account | None, password: str, hasher: PasswordHasher
) -> tuple[Account, str | None]:
    """Check a password; returns the account, and a new hash to keep where its own is outdated.

    Raises WrongCredentialsError, after the same time for every account and for none.
    """
    hashed = None if account is None else account.password_hashed
    verdict = await hasher.verify(password, hashed)
    _failures.note(verdict.work)
    if account is None or not verdict.right:
        await _failures.hold(verdict.work)
        raise WrongCredentialsError
    return account, await hasher.hash(password) if verdict.outdated else None
