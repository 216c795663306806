"""Pages of the account: welcome, register, sign in, sign out, profile."""

from collections.abc import Mapping

from quart import Blueprint, Response, flash, request

from service import db
from service.auth import (
    SignedInUser,
    current_user,
    login_required,
    look_up_user,
    public,
    sign_in,
    sign_out,
)
from service.exceptions import InvalidInputError
from service.limits.rules import (
    REGISTRATIONS_PER_ADDRESS,
    client_key,
    counted,
    limited_inside,
    unlimited,
)
from service.models import PASSWORD_MAX_LENGTH
from service.security.redirects import local_path
from service.users import accounts
from service.users.exceptions import EmailTakenError, WrongCredentialsError
from service.users.form_checks import check_form
from service.users.forms import Credentials, Registration
from service.users.password_verification import LIMITS, verified
from service.users.queries import Account
from service.validation import Form, check_text
from service.web import pages
from service.web.context import get_password_hasher, get_settings
from service.web.submissions import Submission

blueprint = Blueprint("users", __name__)


@blueprint.get("/")
@public
@unlimited("reads at most one row")
async def index() -> Response:
    """Show the start page, or redirect a signed-in person to their books."""
    if await current_user():
        return pages.redirect("/books/")
    return pages.render("index.html")


@blueprint.get("/register")
@public
@unlimited("reads at most one row")
async def register_form() -> Response:
    """Show the form for a new account."""
    return await _if_signed_in() or _registration_page(Form())


@blueprint.post("/register")
@public
@limited_inside(REGISTRATIONS_PER_ADDRESS)
async def register() -> Response:
    """Add an account and sign its owner in.

    The same form, sent again, adds no other account: see `service.web.submissions`.
    """
    texts = await request.form
    if (signed_in := await current_user()) is not None:
        if await Submission.of(signed_in.id, texts).made_before() is not None:
            return await _welcome(signed_in.email)
        return await _confirm_signed_in()
    try:
        async with counted(REGISTRATIONS_PER_ADDRESS.of(client_key())):
            wanted, email = await check_form(Registration, texts)
            hashed = await get_password_hasher().hash(wanted.password)
            async with db.transaction() as connection:
                user = await accounts.register(connection, email, hashed)
                await sign_in(connection, user.id)
                await Submission.of(user.id, texts).keep(connection, user.id)
    except InvalidInputError as error:
        form = Form.refused(texts, error, "The account could not be made.")
        return _registration_page(form, status=422)
    except EmailTakenError as error:
        if made_before := await _sign_in_again(texts):
            return await _welcome(made_before)
        form = Form(texts, {"email": str(error)}, "The account could not be made.")
        return _registration_page(form, status=422)
    return await _welcome(user.email)


@blueprint.get("/login")
@public
@unlimited("reads at most one row")
async def login_form() -> Response:
    """Show the form to sign in with."""
    return await _if_signed_in() or await _login_page(Form())


@blueprint.post("/login")
@public
@limited_inside(*LIMITS)
async def login() -> Response:
    """Sign a person in, and redirect to the page that they asked for before."""
    texts = await request.form
    try:
        credentials = check_text(Credentials, texts)
        account = await _sign_in(credentials)
    except InvalidInputError as error:
        form = Form.refused(texts, error, "You are not signed in yet.")
        return await _login_page(form, status=422)
    except WrongCredentialsError as error:
        return await _login_page(Form(texts, heading=str(error)), status=401)
    await flash(pages.sentence("Thank you for logging in, {}!", account.email), "success")
    return pages.redirect(_next(texts) or "/books/")


@blueprint.get("/logout")
@public
@unlimited("reads at most one row")
async def logout_form() -> Response:
    """Show the form that signs out. A GET must not sign out: another site can link to it."""
    if await current_user() is None:
        return pages.redirect("/")
    return pages.render("users/logout.html")


@blueprint.post("/logout")
@public
@unlimited("deletes at most one row, and only with its token")
async def logout() -> Response:
    """End this browser's session, if it has one."""
    async with db.read() as connection:  # one statement
        await sign_out(connection)
    await flash("Goodbye!", "info")
    return pages.redirect("/")


@blueprint.get("/profile")
@login_required
@unlimited("reads one row")
async def profile(user: SignedInUser) -> Response:
    """Show the address and the registration date of an account."""
    return pages.render("users/profile.html", section="profile")


async def _sign_in(credentials: Credentials) -> Account:
    """Begin a session for a right password. Raises WrongCredentialsError, TooManyRequestsError."""
    async with verified(credentials.email, credentials.password) as (connection, account):
        await sign_in(connection, account.id, remember=credentials.remember_me)
    return account


async def _sign_in_again(texts: Mapping[str, str]) -> str | None:
    """Sign in with a registration form that made its account before. Return the address, or None.

    The form's key must be the one that made the account. Then the password is verified and counted
    as at `/login`.
    """
    try:
        credentials = check_text(Credentials, texts)
        async with db.read() as connection:
            account = await accounts.find_account(connection, credentials.email)
        if account is None or await Submission.of(account.id, texts).made_before() is None:
            return None
        account = await _sign_in(credentials)
    except (InvalidInputError, WrongCredentialsError):
        return None
    return account.email


async def _welcome(email: str) -> Response:
    await flash(pages.sentence("Thank you for registering, {}!", email), "success")
    return pages.redirect("/books/")


async def _if_signed_in() -> Response | None:
    return None if await current_user() is None else await _confirm_signed_in()


async def _confirm_signed_in() -> Response:
    await flash("Already logged in!", "info")
    return pages.redirect("/profile")


def _next(texts: Mapping[str, str]) -> str | None:
    """Return the page to show after signing in, from the form or the query. None unless local."""
    return local_path(texts.get("next") or request.args.get("next"))


def _registration_page(form: Form, status: int = 200) -> Response:
    return pages.render(
        "users/register.html",
        status=status,
        section="register",
        form=form,
        password_min_length=get_settings().password_min_length,
        password_max_length=PASSWORD_MAX_LENGTH,
    )


async def _login_page(form: Form, status: int = 200) -> Response:
    await look_up_user(ask_database=True)  # the person may be signed in, with another account
    texts = form.values if isinstance(form.values, Mapping) else {}
    return pages.render(
        "users/login.html",
        status=status,
        section="login",
        form=form,
        next=_next({"next": str(texts.get("next", ""))}),
    )
