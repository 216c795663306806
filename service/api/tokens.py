"""The operations on access tokens."""

from contextlib import suppress
from typing import ClassVar

import msgspec
from quart import Blueprint, Response

from service.api.bodies import answer, bare
from service.api.declarations import Nothing, OpenCall, ReadCall, Tag, WriteCall
from service.api.operations import open_operation, read_operation, write_operation
from service.limits.rules import REVOCATIONS
from service.tokens import rules as tokens
from service.tokens.exceptions import TokenNotFoundError, TooManyTokensError
from service.users.exceptions import WrongCredentialsError
from service.users.forms import DAY, SCOPES, Credentials, Email, Password, Scope, TokenWish
from service.users.password_verification import LIMITS, verified
from service.users.queries import TokenRow
from service.validation import Time

blueprint = Blueprint("api_tokens", __name__, url_prefix="/api/v1/tokens")
TAG = Tag("tokens", "Access tokens, for programs.")


class TokenOut(msgspec.Struct, frozen=True):
    """A token, without its text."""

    public_name: ClassVar = "Token"
    public_description: ClassVar = "A token, without its text."

    id: int
    name: str
    scopes: list[Scope]
    created_at: Time
    expires_at: Time
    last_used_at: Time | None

    example: ClassVar = {
        "id": 5,
        "name": "a script",
        "scopes": ["books:read", "books:write"],
        "created_at": "2026-11-22T18:00:00.000000Z",
        "expires_at": "2027-02-20T18:00:00.000000Z",
        "last_used_at": None,
    }


class NewTokenOut(msgspec.Struct, frozen=True):
    """A new token. No other answer contains its text, `token`."""

    public_name: ClassVar = "NewToken"
    public_description: ClassVar = "A token just made: `token` is shown this once."

    id: int
    token: str
    name: str
    scopes: list[Scope]
    expires_at: Time

    example: ClassVar = {
        "id": 5,
        "token": "rl_…",
        "name": "a script",
        "scopes": ["books:read", "books:write"],
        "expires_at": "2027-02-20T18:00:00.000000Z",
    }


class TokenList(msgspec.Struct, frozen=True):
    """All tokens of the caller, the newest first."""

    public_name: ClassVar = "TokenList"
    public_description: ClassVar = "All your tokens, the newest first."

    items: list[TokenOut]

    example: ClassVar = {"items": [TokenOut.example]}


class TokenRequest(TokenWish, frozen=True, kw_only=True):
    """The credentials of a person, and the values of the new token."""

    public_name: ClassVar = "TokenRequest"
    public_description: ClassVar = "Who wants a token, and what kind of."

    email: Email
    password: Password
    otp: str | None = None

    messages: ClassVar = {
        **TokenWish.messages,
        **Credentials.messages,
        "otp": "Send a text or null, or leave this out. It is not looked at:"
        " accounts have no second factor yet.",
    }
    example: ClassVar = {
        "email": "ada@example.com",
        "password": "a calm river in winter",
        "name": "a script",
        "scopes": ["books:read", "books:write"],
        "expires_in": 90 * DAY,
    }


@blueprint.post("")
@open_operation(
    name="make_token",
    tag=TAG,
    summary="Make a token",
    description=(
        "With your password: no token can make another.\n\n"
        "Accounts have no second factor yet: `otp` is accepted and not looked at."
    ),
    body=TokenRequest,
    answers={201: NewTokenOut},
    limits=LIMITS,
    errors=(WrongCredentialsError, TooManyTokensError),
)
async def make_token(call: OpenCall[TokenRequest]) -> Response:
    """Make a token for a person who sends the right password."""
    body = call.body
    async with verified(body.email, body.password) as (connection, account):
        text, row = await tokens.make_token(connection, account.id, body)
    made = NewTokenOut(row.id, text, row.name, _scopes(row.scopes), row.expires_at)
    return answer(made, 201, {"Location": f"/api/v1/tokens/{row.id}"})


@blueprint.get("")
@read_operation(
    name="list_tokens",
    tag=TAG,
    summary="List your tokens",
    description="Those that can be used; the texts of them nobody knows any more.",
    scope="account:read",
    query=Nothing,
    answers={200: TokenList},
    reason="two statements",
)
async def list_tokens(call: ReadCall[Nothing]) -> Response:
    """Answer with the tokens that have not expired."""
    rows = await tokens.list_tokens(call.connection, call.owner)
    return answer(TokenList([_shown(row) for row in rows]))


@blueprint.get("/<id:token_id>")
@read_operation(
    name="get_token",
    tag=TAG,
    summary="Get a token",
    description="One of your tokens that can be used, without its text.",
    scope="account:read",
    query=Nothing,
    answers={200: TokenOut},
    reason="two statements",
    errors=(TokenNotFoundError,),
)
async def get_token(call: ReadCall[Nothing], token_id: int) -> Response:
    """Answer with one token."""
    return answer(_shown(await tokens.get_token(call.connection, call.owner, token_id)))


@blueprint.delete("/<id:token_id>")
@write_operation(
    name="revoke_token",
    tag=TAG,
    summary="Revoke a token",
    description="It is refused from the next request on, by every worker.",
    scope="account:write",
    body=Nothing,
    answers={204: None},
    write_limit=REVOCATIONS,
    errors=(TokenNotFoundError,),
)
async def revoke_token(call: WriteCall[Nothing], token_id: int) -> Response:
    """Delete a token. It is refused from the next request on."""
    await tokens.revoke_token(call.connection, call.owner, token_id)
    return bare(204)


@blueprint.delete("/current")
@write_operation(
    name="revoke_current_token",
    tag=TAG,
    summary="Revoke the token of this call",
    description="Whatever its scopes are: signing out needs none.",
    scope="",
    body=Nothing,
    answers={204: None},
    token_only=True,
    write_limit=REVOCATIONS,
)
async def revoke_current_token(call: WriteCall[Nothing]) -> Response:
    """Delete the token of this call."""
    if call.caller.token_id is not None:
        with suppress(TokenNotFoundError):  # a call at the same moment was first
            await tokens.revoke_token(call.connection, call.owner, call.caller.token_id)
    return bare(204)


def _shown(row: TokenRow) -> TokenOut:
    return TokenOut(
        row.id,
        row.name,
        _scopes(row.scopes),
        row.created_at,
        row.expires_at,
        row.last_used_at,
    )


def _scopes(text: str) -> list[Scope]:
    held = text.split(" ")
    return [scope for scope in SCOPES if scope in held]
