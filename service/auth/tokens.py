"""Authenticate requests that carry an access token."""

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
    """Return the person of an access token, or None if the token is not valid.

    Notes the use of the token in a background task of `app`, by default of the current application.
    """
    if not is_access_token(token):
        return None
    owner = await queries.get_token_owner(connection, hash_token(token))
    if owner is not None and owner.use_is_due:
        (app or current_app).add_background_task(_note_use, owner.token_id)
    return owner


async def _note_use(token_id: int) -> None:
    """Write the time of the use. In a background task: no request waits for it or fails with it."""
    try:
        async with db.read() as connection:
            await queries.note_use(connection, token_id)
    except DatabaseUnavailableError:
        logging.getLogger(__name__).warning("cannot note the use of a token")
