"""Access tokens as requests carry them."""

import logging

from quart import Quart, current_app

from service import db
from service.auth import queries
from service.auth.queries import TokenOwner
from service.db.statements import Connection
from service.exceptions import DatabaseUnavailableError
from service.security.tokens import hash_token, is_access_token


async def get_token_owner(
    connection: Connection, token: str, app: Quart | None = None
) -> TokenOwner | None:
    """Whose token it is, unless it has expired or was revoked."""
    if not is_access_token(token):
        return None
    owner = await queries.get_token_owner(connection, hash_token(token))
    if owner is not None and owner.use_is_due:
        (app or current_app).add_background_task(_note_use, owner.token_id)
    return owner


async def _note_use(token_id: int) -> None:
    """Beside the request, which must not wait or fail for it."""
    try:
        async with db.read() as connection:
            await queries.note_use(connection, token_id)
    except DatabaseUnavailableError:
        logging.getLogger(__name__).warning("the use of a token could not be noted")
