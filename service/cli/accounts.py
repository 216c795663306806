"""The operator's commands for accounts. The rules are the same as on the pages."""

from service.cli.maintenance import connect_at_head
from service.config import Settings
from service.db.sqlite import EngineConnection
from service.exceptions import FieldError, InvalidInputError, NotFoundError
from service.security.passwords import PasswordHasher
from service.users import accounts
from service.users.accounts import EmailTakenError
from service.users.forms import NewDetails
from service.validation import check_text


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

    Returns its address, and the number of sessions that were ended. Raises NotFoundError,
    InvalidInputError, and SchemaError if the database cannot be reached or is not at head.
    """
    async with connect_at_head(settings) as opened:
        connection = EngineConnection(opened)
        account = await accounts.find_account(connection, typed_email)
        if account is None:
            raise NotFoundError("There is no account with this e-mail address.")
        await opened.rollback()  # so that no lock is held while the password is hashed
        password = _storable(account.email, password).password
        await accounts.check_details(
            password=password,
            present_email=account.email,
            min_password_length=settings.password_min_length,
        )
        hashed = await PasswordHasher().hash(password)
        async with connection.transaction():
            return account.email, await accounts.change_password(connection, account.id, hashed)


def _storable(email: str, password: str) -> NewDetails:
    """Return both texts. Raises InvalidInputError for a text that the database cannot store."""
    return check_text(NewDetails, {"email": email, "password": password})
