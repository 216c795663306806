"""The rules by which owners end their sessions."""

from service.db.statements import Connection
from service.exceptions import NotFoundError
from service.users import queries


class SessionNotFoundError(NotFoundError):
    """The session does not exist, or belongs to another person."""

    code = "SESSION_NOT_FOUND"
    public_description = "This person has no such session."

    def __init__(self) -> None:
        super().__init__("There is no such session. It may have ended.")


async def end_session(connection: Connection, owner: int, session_id: int) -> None:
    """End a session of this owner. Raises SessionNotFoundError."""
    if not await queries.end_session(connection, owner, session_id):
        raise SessionNotFoundError
