"""Accounts, for programs: registering, and one's own."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType
from quart import Blueprint, Response

from service import db
from service.api.authentication import Caller, authenticate
from service.api.bodies import JSON, MERGE_PATCH, answer, bare
from service.api.operations import Call, operation
from service.auth import renew_session
from service.limits.views import REGISTRATIONS_PER_ADDRESS, client_key, counted
from service.models import EMAIL_MAX_LENGTH, EMAIL_MIN_LENGTH
from service.shapes import Shape, Time
from service.users import accounts, queries
from service.users.accounts import EmailTakenError, WrongCredentialsError
from service.users.forms import EMAIL_MESSAGE, Password
from service.users.verification import CONFIRMATION_LIMITS, confirmed, hold
from service.web.context import get_password_hasher, get_settings

SCOPE = "account:write"

blueprint = Blueprint("api_users", __name__, url_prefix="/api/v1")

# The rules decide, and tell of all fields at once; this is what they say in short.
_EMAIL = Meta(
    extra_json_schema={
        "format": "email",
        "minLength": EMAIL_MIN_LENGTH,
        "maxLength": EMAIL_MAX_LENGTH,
    }
)


class UserOut(msgspec.Struct, frozen=True):
    """An account."""

    id: int
    email: str
    registered_on: Time

    example: ClassVar = {
        "id": 7,
        "email": "ada@example.com",
        "registered_on": "2026-11-22T18:00:00.000000Z",
    }


class NewUser(Shape, frozen=True, kw_only=True):
    """An account to be made."""

    email: Annotated[str, _EMAIL]
    password: str

    messages: ClassVar = {"email": EMAIL_MESSAGE, "password": "Enter a password."}
    example: ClassVar = {"email": "ada@example.com", "password": "a calm river in winter"}


class UserPatch(Shape, frozen=True, kw_only=True):
    """A merge patch (RFC 7396) of one's account; the present password proves that it is one's."""

    current_password: Password
    email: Annotated[str, _EMAIL] | UnsetType = UNSET
    password: str | UnsetType = UNSET

    messages: ClassVar = {
        "current_password": "Enter your present password.",
        "email": EMAIL_MESSAGE,
        "password": "Enter a new password.",
    }
    example: ClassVar = {
        "current_password": "a calm river in winter",
        "password": "two kettles and a map",
    }


@blueprint.post("/users")
@operation(
    "Register",
    None,
    {201: UserOut},
    body=NewUser,
    limits=(REGISTRATIONS_PER_ADDRESS,),
    errors=(EmailTakenError,),
)
async def register(body: NewUser) -> Response:
    """Make an account. It has no token yet."""
    async with counted(REGISTRATIONS_PER_ADDRESS.of(client_key())):
        email = await accounts.check_details(
            email=body.email,
            password=body.password,
            min_password_length=get_settings().password_min_length,
        )
        hashed = await get_password_hasher().hash(body.password)
        async with db.transaction() as connection:
            user = await accounts.register(connection, email, hashed)
    made = UserOut(user.id, user.email, user.registered_on)
    return answer(made, 201, {"Location": "/api/v1/me"})


@blueprint.get("/me")
@operation("Get your account", "account:read", {200: UserOut}, reason="one statement")
async def get_me(call: Call) -> Response:
    """Whose token it is."""
    user = call.caller.user
    return answer(UserOut(user.id, user.email, user.registered_on))


@blueprint.patch("/me")
@operation(
    "Change your address or password",
    SCOPE,
    {200: UserOut},
    body=UserPatch,
    body_types=(MERGE_PATCH, JSON),
    session_only=True,
    limits=CONFIRMATION_LIMITS,
    errors=(WrongCredentialsError, EmailTakenError),
)
async def change_me(caller: Caller, body: UserPatch) -> Response:
    """Only for people who are signed in: no token may do it.

    A new password ends every token, and every session but this one, whose cookie changes.
    """
    user = caller.user
    async with confirmed(user, caller.session_id, body.current_password) as (_, account):
        pass  # no connection is held while the new one is hashed
    password = None if body.password is UNSET else body.password
    email = await accounts.check_details(
        email=None if body.email is UNSET else body.email,
        password=password,
        present_email=user.email,
        min_password_length=get_settings().password_min_length,
    )
    hashed = None if password is None else await get_password_hasher().hash(password)
    async with db.transaction() as connection:
        await hold(connection, account, whole=body.email is not UNSET)
        now = await authenticate(connection, SCOPE)  # it all took its time
        if body.email is UNSET:
            email = now.user.email
        else:
            await accounts.change_email(connection, user.id, email)
        if hashed is not None and caller.session_id is not None:
            await accounts.change_password(connection, user.id, hashed, kept=caller.session_id)
            await renew_session(connection, user.id, caller.session_id)
    return answer(UserOut(user.id, email, user.registered_on))


@blueprint.delete("/me")
@operation("Delete your account", SCOPE, {204: None})
async def delete_me(call: Call) -> Response:
    """For good, with every book, session and token."""
    await queries.delete_user(call.connection, call.owner)
    return bare(204)
