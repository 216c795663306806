"""The rules of sessions as somebody looks after them: the browsers that are signed in."""

from service.db.statements import Connection
from service.exceptions import NotFoundError
from service.users import queries


class SessionNotFoundError(NotFoundError):
    """This person has no such session."""

    code = "SESSION_NOT_FOUND"
    public_description = "This person has no such session."

    def __init__(self) -> None:
        super().__init__("There is no such session. It may have ended.")


async def end_session(connection: Connection, owner: int, session_id: int) -> None:
    """Sign a browser out at once. Raises SessionNotFoundError."""
    if not await queries.end_session(connection, owner, session_id):
        raise SessionNotFoundError
