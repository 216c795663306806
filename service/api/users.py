"""The operations on accounts: registering, and the caller's own account."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType
from quart import Blueprint, Response

from service import db
from service.api.authentication import authenticate
from service.api.bodies import JSON, MERGE_PATCH, answer, bare
from service.api.declarations import Nothing, OpenCall, ReadCall, SessionCall, Tag, WriteCall
from service.api.operations import (
    open_operation,
    read_operation,
    session_operation,
    write_operation,
)
from service.auth.queries import SignedInUser, TokenOwner
from service.db.statements import Connection
from service.limits.rules import (
    EMAIL_CHANGES_PER_USER,
    REGISTRATIONS_PER_ADDRESS,
    client_key,
    counted,
)
from service.models import EMAIL_MAX_LENGTH, EMAIL_MIN_LENGTH
from service.users import accounts, queries
from service.users.changes import change_account
from service.users.exceptions import EmailTakenError, WrongCredentialsError
from service.users.forms import EMAIL_MESSAGE, Password
from service.users.password_verification import CONFIRMATION_LIMITS, confirmed
from service.validation import Shape, Time
from service.web.context import get_password_hasher, get_settings

SCOPE = "account:write"

blueprint = Blueprint("api_users", __name__, url_prefix="/api/v1")
TAG = Tag("users", "Accounts, for programs: registering, and one's own.")

# For the OpenAPI document only: `accounts.check_details` checks the address, and reports the errors
# of all fields together.
_EMAIL = Meta(
    extra_json_schema={
        "format": "email",
        "minLength": EMAIL_MIN_LENGTH,
        "maxLength": EMAIL_MAX_LENGTH,
    }
)


class UserOut(msgspec.Struct, frozen=True):
    """An account."""

    public_name: ClassVar = "User"
    public_description: ClassVar = "An account."

    id: int
    email: str
    registered_on: Time

    example: ClassVar = {
        "id": 7,
        "email": "ada@example.com",
        "registered_on": "2026-11-22T18:00:00.000000Z",
    }


class NewUser(Shape, frozen=True, kw_only=True):
    """The address and password of a new account."""

    public_name: ClassVar = "NewUser"
    public_description: ClassVar = "An account to be made."

    email: Annotated[str, _EMAIL]
    password: str

    messages: ClassVar = {"email": EMAIL_MESSAGE, "password": "Enter a password."}
    example: ClassVar = {"email": "ada@example.com", "password": "a calm river in winter"}


class UserPatch(Shape, frozen=True, kw_only=True):
    """A merge patch (RFC 7396) of the caller's account, confirmed with the present password."""

    public_name: ClassVar = "UserPatch"
    public_description: ClassVar = (
        "A merge patch (RFC 7396) of one's account; the present password proves that it is one's."
    )

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
@open_operation(
    name="register",
    tag=TAG,
    summary="Register",
    description="Make an account. It has no token yet.",
    body=NewUser,
    answers={201: UserOut},
    limits=(REGISTRATIONS_PER_ADDRESS,),
    errors=(EmailTakenError,),
)
async def register(call: OpenCall[NewUser]) -> Response:
    """Add an account."""
    body = call.body
    async with counted(REGISTRATIONS_PER_ADDRESS.of(client_key())):
        email = await accounts.check_details(
            email=body.email,
            password=body.password,
            min_password_length=get_settings().password_min_length,
        )
        hashed = await get_password_hasher().hash(body.password)
        async with db.read() as connection:  # one statement
            user = await accounts.register(connection, email, hashed)
    made = UserOut(user.id, user.email, user.registered_on)
    return answer(made, 201, {"Location": "/api/v1/me"})


@blueprint.get("/me")
@read_operation(
    name="get_me",
    tag=TAG,
    summary="Get your account",
    description="Whose token it is.",
    scope="account:read",
    query=Nothing,
    answers={200: UserOut},
    reason="one statement",
)
async def get_me(call: ReadCall[Nothing]) -> Response:
    """Answer with the caller's account."""
    user = call.caller.user
    return answer(UserOut(user.id, user.email, user.registered_on))


@blueprint.patch("/me")
@session_operation(
    name="change_me",
    tag=TAG,
    summary="Change your address or password",
    description=(
        "Only for people who are signed in: no token may do it.\n\n"
        "A new password ends every token, and every session but this one, whose cookie changes."
    ),
    scope=SCOPE,
    body=UserPatch,
    answers={200: UserOut},
    body_types=(MERGE_PATCH, JSON),
    limits=(*CONFIRMATION_LIMITS, EMAIL_CHANGES_PER_USER),
    errors=(WrongCredentialsError, EmailTakenError),
)
async def change_me(call: SessionCall[UserPatch]) -> Response:
    """Change the address, the password, or both."""
    caller, body = call.caller, call.body
    user = caller.user
    async with confirmed(user, caller.session_id, body.current_password) as (_, account):
        pass  # no connection is lent while the new password is hashed
    email = None if body.email is UNSET else body.email
    password = None if body.password is UNSET else body.password
    checked = await accounts.check_details(
        email=email,
        password=password,
        present_email=user.email,
        min_password_length=get_settings().password_min_length,
    )

    async def authenticate_again(connection: Connection) -> SignedInUser | TokenOwner:
        return (await authenticate(connection, SCOPE)).user

    present_email = await change_account(
        account,
        email=None if email is None else checked,
        password=password,
        kept=caller.session_id,
        authenticate=authenticate_again,
    )
    return answer(UserOut(user.id, present_email, user.registered_on))


@blueprint.delete("/me")
@write_operation(
    name="delete_me",
    tag=TAG,
    summary="Delete your account",
    description="For good, with every book, session and token.",
    scope=SCOPE,
    body=Nothing,
    answers={204: None},
)
async def delete_me(call: WriteCall[Nothing]) -> Response:
    """Delete the caller's account."""
    await queries.delete_user(call.connection, call.owner)
    return bare(204)
