"""Pages of access tokens: the list with the form for a new one, the new token, revoking."""

from quart import Blueprint, Response, flash, request

from service import db
from service.auth import SignedInUser, login_required, login_required_to_read
from service.db.statements import Connection
from service.exceptions import InvalidInputError
from service.idempotency import SentBeforeError
from service.limits.rules import REVOCATIONS, limited_inside, per_user, unlimited
from service.text.visible import visible_or
from service.tokens import rules as tokens
from service.tokens.exceptions import TokenNotFoundError, TooManyTokensError
from service.tokens.rules import MAX_TOKENS
from service.users.exceptions import WrongCredentialsError
from service.users.forms import Scope, TokenForm
from service.users.password_verification import CONFIRMATION_LIMITS, confirmed
from service.validation import Form, check
from service.web import pages
from service.web.submissions import Submission

HEADING = "The token was not made"
# Each scope in a few words, and in a sentence.
SCOPE_WORDS: dict[Scope, tuple[str, str]] = {
    "books:read": ("Read your books", "It can see every book on your list."),
    "books:write": ("Change your books", "It can add, edit and delete books."),
    "account:read": (
        "Read your account",
        "It can see your e-mail address, your tokens and when you signed in.",
    ),
    "account:write": (
        "Change your account",
        "It can revoke tokens, sign you out and delete your account for good.",
    ),
}
LIFETIMES = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "1 year"}

blueprint = Blueprint("tokens", __name__, url_prefix="/profile/tokens")


@blueprint.get("")
@login_required_to_read
@unlimited("two statements, at most 100 rows")
async def list_tokens(user: SignedInUser, connection: Connection) -> Response:
    """Show the tokens that have not expired, and the form for a new one."""
    found = await tokens.list_tokens(connection, user.id)
    form = Form({"scopes": ["books:read"], "days": "90"})
    return _page(
        "users/tokens.html",
        tokens=found,
        max_tokens=MAX_TOKENS,
        form=form,
        lifetimes=LIFETIMES,
    )


@blueprint.post("")
@login_required
@limited_inside(*CONFIRMATION_LIMITS)
async def make_token(user: SignedInUser) -> Response:
    """Make a token for a person who enters the password again. Only this answer shows its text.

    The same form, sent again, makes no other token.
    """
    texts = await request.form
    values = {**texts.to_dict(), "scopes": texts.getlist("scopes")}
    try:
        wanted = check(
            TokenForm, {name: values.get(name, "") for name in TokenForm.__struct_fields__}
        )
        submission = Submission.of(user.id, texts, wanted.wish)
        async with (
            submission.once(),
            confirmed(user, user.session_id, wanted.password) as (connection, _),
        ):
            made = await tokens.make_token(connection, user.id, wanted.wish)
            await submission.keep(connection, made.row.id)
    except InvalidInputError as error:
        return _form_page(Form.refused(values, error, HEADING), 422)
    except WrongCredentialsError:
        errors = {"password": "This is not the password of your account."}
        return _form_page(Form(values, errors, HEADING), 401)
    except TooManyTokensError as error:
        return _form_page(Form(values, heading=str(error)), 409)
    except SentBeforeError as before:
        await flash(await _repeat_message(user.id, before.made), "info")
        return pages.redirect("/profile/tokens")
    return _page("users/token_made.html", 201, text=made.text, token=made.row)


@blueprint.get("/<id:token_id>/revoke")
@login_required_to_read
@unlimited("reads one row")
async def revoke_token_form(user: SignedInUser, connection: Connection, token_id: int) -> Response:
    """Show the form that revokes a token. A GET must not revoke: another site can link to it."""
    token = await tokens.get_token(connection, user.id, token_id)
    return _page("users/token_revoke.html", token=token)


@blueprint.post("/<id:token_id>/revoke")
@login_required
@per_user(REVOCATIONS)
async def revoke_token(user: SignedInUser, token_id: int) -> Response:
    """Delete a token. It is refused from the next request on."""
    async with db.read() as connection:  # one statement
        name = await tokens.revoke_token(connection, user.id, token_id)
    shown = visible_or(name, "no visible name")
    await flash(pages.sentence("Token ({}) was revoked!", shown), "success")
    return pages.redirect("/profile/tokens")


async def _repeat_message(owner: int, token_id: int) -> str:
    """Return the message for a form that was sent twice. The token's text is not stored."""
    try:
        async with db.read() as connection:
            await tokens.get_token(connection, owner, token_id)
    except TokenNotFoundError:
        return (
            "This form was sent before. The token that it made was revoked meanwhile, so no token"
            " was made now."
        )
    return (
        "This form was sent twice and made one token. Its text was in the first answer: "
        "if you did not see it, revoke the token and make another."
    )


def _form_page(form: Form, status: int) -> Response:
    return _page("users/token_form_page.html", status, form=form, lifetimes=LIFETIMES)


def _page(template: str, status: int = 200, **context: object) -> Response:
    return pages.render(
        template, status=status, section="profile", scope_words=SCOPE_WORDS, **context
    )
