"""The rules by which owners end their sessions."""

from service.db.statements import Connection
from service.users import queries
from service.users.exceptions import SessionNotFoundError


async def end_session(connection: Connection, owner: int, session_id: int) -> None:
    """End a session of this owner. Raises SessionNotFoundError."""
    if not await queries.end_session(connection, owner, session_id):
        raise SessionNotFoundError
