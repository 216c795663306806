"""The operations on sessions."""

from typing import ClassVar

import msgspec
from quart import Blueprint, Response

from service.api.bodies import answer, bare
from service.api.declarations import Nothing, ReadCall, Tag, WriteCall
from service.api.operations import read_operation, write_operation
from service.limits.rules import REVOCATIONS
from service.users import queries, sessions
from service.users.exceptions import SessionNotFoundError
from service.validation import Time

MAX_SESSIONS = 100  # in one answer

blueprint = Blueprint("api_sessions", __name__, url_prefix="/api/v1/sessions")
TAG = Tag("sessions", "Browsers that are signed in, for programs that look after an account.")


class SessionOut(msgspec.Struct, frozen=True):
    """A session. `current` is true for the session of this call."""

    public_name: ClassVar = "Session"
    public_description: ClassVar = "A browser that is signed in; `current` is the one that calls."

    id: int
    created_at: Time
    expires_at: Time
    current: bool

    example: ClassVar = {
        "id": 3,
        "created_at": "2026-11-22T18:00:00.000000Z",
        "expires_at": "2026-11-23T18:00:00.000000Z",
        "current": True,
    }


class SessionList(msgspec.Struct, frozen=True):
    """The newest sessions, at most 100."""

    public_name: ClassVar = "SessionList"
    public_description: ClassVar = "The newest sessions, at most 100."

    items: list[SessionOut]

    example: ClassVar = {"items": [SessionOut.example]}


@blueprint.get("")
@read_operation(
    name="list_sessions",
    tag=TAG,
    summary="List your sessions",
    description="Where you are signed in, the newest first.",
    scope="account:read",
    query=Nothing,
    answers={200: SessionList},
    reason="two statements",
)
async def list_sessions(call: ReadCall[Nothing]) -> Response:
    """Answer with the newest sessions."""
    rows = await queries.list_sessions(call.connection, call.owner, MAX_SESSIONS)
    current = call.caller.session_id
    return answer(SessionList([SessionOut(*row, current=row.id == current) for row in rows]))


@blueprint.delete("/<id:session_id>")
@write_operation(
    name="end_session",
    tag=TAG,
    summary="End a session",
    description="That browser is signed out from its next request on.",
    scope="account:write",
    body=Nothing,
    answers={204: None},
    write_limit=REVOCATIONS,
    errors=(SessionNotFoundError,),
)
async def end_session(call: WriteCall[Nothing], session_id: int) -> Response:
    """End a session of the caller."""
    await sessions.end_session(call.connection, call.owner, session_id)
    return bare(204)
