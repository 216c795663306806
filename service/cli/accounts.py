"""What operators do to accounts, on a connection of their own; the rules are those for people."""

import asyncio

from service.cli.maintenance import connect_at_head
from service.config import Settings
from service.db.engine import EngineConnection
from service.exceptions import FieldError, InvalidInputError, NotFoundError
from service.security.passwords import PasswordHasher
from service.shapes import check_text
from service.users import accounts
from service.users.accounts import EmailTakenError
from service.users.forms import Registration
from service.users.passwords import check_new_password


async def create_user(settings: Settings, email: str, password: str) -> str:
    """Make an account; returns its address in the canonical form.

    Raises InvalidInputError, for an address that is taken too, and SchemaError where the database
    is away or not at head.
    """
    account = await accounts.new_user(
        _registration(email, password),
        PasswordHasher(),
        min_password_length=settings.password_min_length,
    )
    async with connect_at_head(settings) as opened:
        connection = EngineConnection(opened)
        try:
            async with connection.transaction():
                return (await accounts.register(connection, account)).email
        except EmailTakenError as error:
            raise InvalidInputError(FieldError("email", str(error), error.code)) from error


async def set_password(settings: Settings, typed_email: str, password: str) -> tuple[str, int]:
    """Give an account another password, end its sessions and revoke its tokens.

    Returns its address, and the number of sessions. Raises NotFoundError, InvalidInputError, and
    SchemaError where the database is away or not at head.
    """
    async with connect_at_head(settings) as opened:
        connection = EngineConnection(opened)
        account = await accounts.find_account(connection, typed_email)
        if account is None:
            raise NotFoundError("There is no account with this e-mail address.")
        await opened.rollback()  # no lock is held while the password is hashed
        password = _registration(account.email, password).password
        await asyncio.to_thread(
            check_new_password, password, account.email, min_length=settings.password_min_length
        )
        hashed = await PasswordHasher().hash(password)
        async with connection.transaction():
            return account.email, await accounts.change_password(connection, account.id, hashed)


def _registration(email: str, password: str) -> Registration:
    """Refuses what cannot be stored; the rules look at the rest."""
    try:
        return check_text(Registration, {"email": email, "password": password, "confirm": password})
    except InvalidInputError as error:
        # Nobody typed it twice for us: what is wrong with it was told already.
        told = [wrong for wrong in error.errors if wrong.field != "confirm"]
        raise InvalidInputError(*told) from None
