"""Pages that change the account: a new password, a new address."""

from collections.abc import Mapping

from quart import Blueprint, Response, flash, request

from service.auth import (
    SignedInUser,
    current_user,
    forget_user,
    login_required,
    public,
    still_signed_in,
)
from service.exceptions import InvalidInputError, NotAuthenticatedError
from service.limits.rules import EMAIL_CHANGES_PER_USER, limited_inside, unlimited
from service.models import PASSWORD_MAX_LENGTH
from service.users.changes import change_account
from service.users.exceptions import EmailTakenError
from service.users.form_checks import check_form
from service.users.forms import EmailChange, PasswordChange
from service.users.password_verification import CONFIRMATION_LIMITS, confirmed
from service.validation import Form
from service.web import pages
from service.web.context import get_settings

PASSWORD_HEADING = "The password was not changed"  # noqa: S105 - a sentence
EMAIL_HEADING = "The address was not changed"
# The second sentence is for a form that was sent twice: the first one has changed the password.
WRONG = "This is not the password of your account. If you have just changed it, enter the new one."
SIGNED_OUT = (
    "This browser was signed out meanwhile. If you have just changed your password, log in with the"
    " new one."
)

blueprint = Blueprint("changes", __name__)


@blueprint.get("/.well-known/change-password")
@public
@unlimited("reads nothing")
async def find_password_form() -> Response:
    """Redirect password managers to the form that changes the password.

    The address is that of the W3C's "A Well-Known URL for Changing Passwords".
    """
    return pages.redirect("/profile/password")


@blueprint.get("/profile/password")
@login_required
@unlimited("reads one row")
async def change_password_form(user: SignedInUser) -> Response:
    """Show the form for a new password."""
    return _password_page(Form())


@blueprint.post("/profile/password")
@login_required
@limited_inside(*CONFIRMATION_LIMITS)
async def change_password(user: SignedInUser) -> Response:
    """Change the password. Every other session and every token ends."""
    texts = await request.form
    try:
        wanted, _ = await check_form(PasswordChange, texts, present_email=user.email)
        await _change(user, wanted.current_password, password=wanted.password)
    except InvalidInputError as error:
        return _password_page(Form.refused(texts, error, PASSWORD_HEADING), 422)
    except NotAuthenticatedError:
        if await _look_up_again() is None:
            return await _ask_to_sign_in()
        return _password_page(_wrong_password(texts, PASSWORD_HEADING), 401)
    message = (
        "Your password was changed. Other browsers are signed out, and your access tokens have"
        " ended."
    )
    await flash(message, "success")
    return pages.redirect("/profile")


@blueprint.get("/profile/email")
@login_required
@unlimited("reads one row")
async def change_email_form(user: SignedInUser) -> Response:
    """Show the form for a new address."""
    return _email_page(Form())


@blueprint.post("/profile/email")
@login_required
@limited_inside(*CONFIRMATION_LIMITS, EMAIL_CHANGES_PER_USER)
async def change_email(user: SignedInUser) -> Response:
    """Change the address at once. The same form, sent again, gets the same answer."""
    texts = await request.form
    try:
        wanted, email = await check_form(EmailChange, texts)
        await _change(user, wanted.current_password, email=email)
    except InvalidInputError as error:
        return _email_page(Form.refused(texts, error, EMAIL_HEADING), 422)
    except EmailTakenError as error:
        return _email_page(Form(texts, {"email": str(error)}, EMAIL_HEADING), 422)
    except NotAuthenticatedError:
        now = await _look_up_again()
        if now is None:
            return await _ask_to_sign_in()
        if now.email != email or user.email == email:
            # Else the first half of a double click has changed the address.
            return _email_page(_wrong_password(texts, EMAIL_HEADING), 401)
    await flash(pages.sentence("Your e-mail address is {} now.", email), "success")
    return pages.redirect("/profile")


async def _change(
    user: SignedInUser,
    current_password: str,
    *,
    email: str | None = None,
    password: str | None = None,
) -> None:
    """Change the account of a person who enters the present password.

    Raises EmailTakenError, TooManyRequestsError, and NotAuthenticatedError for a wrong password or
    a session that has ended.
    """
    async with confirmed(user, user.session_id, current_password) as (_, account):
        pass  # no connection is lent while the new password is hashed
    await change_account(
        account,
        email=email,
        password=password,
        kept=user.session_id,
        authenticate=still_signed_in,
    )


async def _look_up_again() -> SignedInUser | None:
    forget_user()
    return await current_user()


async def _ask_to_sign_in() -> Response:
    """Redirect a person whose session has ended meanwhile.

    This also happens in a double click that changes the password: the first request renews the
    session, and the browser drops the answer with the new cookie.
    """
    await flash(SIGNED_OUT, "info")
    return pages.redirect("/login?next=/profile")


def _wrong_password(texts: Mapping[str, str], heading: str) -> Form:
    return Form(texts, {"current_password": WRONG}, heading)


def _password_page(form: Form, status: int = 200) -> Response:
    return pages.render(
        "users/password.html",
        status=status,
        section="profile",
        form=form,
        password_min_length=get_settings().password_min_length,
        password_max_length=PASSWORD_MAX_LENGTH,
    )


def _email_page(form: Form, status: int = 200) -> Response:
    return pages.render("users/email.html", status=status, section="profile", form=form)
