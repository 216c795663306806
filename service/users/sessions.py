"""The rules of sessions as somebody looks after them: the browsers that are signed in."""

from sqlalchemy.ext.asyncio import AsyncSession

from service.exceptions import NotFoundError
from service.users import queries


class SessionNotFoundError(NotFoundError):
    """This person has no such session."""

    code = "SESSION_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such session. It may have ended.")


async def end_session(session: AsyncSession, owner: int, session_id: int) -> None:
    """Sign a browser out at once. Raises SessionNotFoundError."""
    if not await queries.end_session(session, owner, session_id):
        raise SessionNotFoundError
