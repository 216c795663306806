"""The shapes of forms about accounts and tokens, and the canonical form of an address."""

from typing import Annotated, ClassVar, Literal, get_args

from msgspec import Meta, field

from service.exceptions import FieldError, InvalidInputError
from service.models import (
    EMAIL_MAX_KEPT_LENGTH,
    EMAIL_MAX_LENGTH,
    EMAIL_MIN_LENGTH,
    PASSWORD_MAX_LENGTH,
    TOKEN_NAME_MAX_LENGTH,
)
from service.security.password_text import MAX_TYPED, is_too_long
from service.validation import Shape, visible

EMAIL_MESSAGE = (
    f"Enter an e-mail address of {EMAIL_MIN_LENGTH} to {EMAIL_MAX_LENGTH} characters,"
    " such as name@example.com."
)

CURRENT_PASSWORD_MESSAGE = (
    f"Enter your present password, of at most {PASSWORD_MAX_LENGTH} characters."
)


class NewDetails(Shape, frozen=True, kw_only=True):
    """The address and password of a new account.

    `accounts.check_details` checks both texts, and reports the errors of all fields together.
    """

    email: str
    password: str

    messages: ClassVar = {"email": EMAIL_MESSAGE, "password": "Enter a password."}


class Registration(NewDetails, frozen=True, kw_only=True):
    """The form of the registration page: `NewDetails`, with the password typed twice."""

    confirm: str

    messages: ClassVar = {
        **NewDetails.messages,
        "confirm": "Enter the same password again.",
    }


# Longer than a new address may be, so that old accounts can still sign in.
Email = Annotated[str, Meta(min_length=1, max_length=EMAIL_MAX_KEPT_LENGTH)]


def _has_password_length(typed: str) -> bool:
    """Return whether a password of an account can have this length.

    Old passwords were measured as typed, new ones are measured in Unicode's form NFKC. Either
    measure may fit.
    """
    return len(typed) <= PASSWORD_MAX_LENGTH or not is_too_long(typed, PASSWORD_MAX_LENGTH)


Password = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_TYPED * PASSWORD_MAX_LENGTH,
        extra={"rule": _has_password_length},
    ),
]


class Credentials(Shape, frozen=True, kw_only=True):
    """The address and password of a sign-in."""

    email: Email
    password: Password
    remember_me: bool = False

    messages: ClassVar = {
        "email": "Enter your e-mail address.",
        "password": f"Enter your password, of at most {PASSWORD_MAX_LENGTH} characters.",
        "remember_me": "Tick this or leave it.",
    }


class PasswordChange(Shape, frozen=True, kw_only=True):
    """The form that changes the password, with the new one typed twice."""

    current_password: Password
    password: str
    confirm: str

    messages: ClassVar = {
        "current_password": CURRENT_PASSWORD_MESSAGE,
        "password": "Enter a new password.",
        "confirm": Registration.messages["confirm"],
    }


class EmailChange(Shape, frozen=True, kw_only=True):
    """The form that changes the address."""

    email: str
    current_password: Password

    messages: ClassVar = {
        "email": EMAIL_MESSAGE,
        "current_password": CURRENT_PASSWORD_MESSAGE,
    }


Scope = Literal["books:read", "books:write", "account:read", "account:write"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
DAY = 24 * 3600
MIN_LIFETIME = 60  # seconds of an access token
MAX_LIFETIME = 366 * DAY
DEFAULT_LIFETIME = 90 * DAY


TokenName = Annotated[str, visible(TOKEN_NAME_MAX_LENGTH)]
TokenScopes = Annotated[list[Scope], Meta(min_length=1, max_length=len(SCOPES))]
NAME_MESSAGE = f"Enter a name of 1 to {TOKEN_NAME_MAX_LENGTH} characters."


class TokenWish(Shape, frozen=True, kw_only=True):
    """The values of an access token that is to be made. `expires_in` is in seconds."""

    name: TokenName
    scopes: TokenScopes = field(default_factory=lambda: ["books:read", "books:write"])
    expires_in: Annotated[int, Meta(ge=MIN_LIFETIME, le=MAX_LIFETIME)] = DEFAULT_LIFETIME

    messages: ClassVar = {
        "name": NAME_MESSAGE,
        "scopes": f"Choose one or more of {', '.join(SCOPES)}.",
        "expires_in": f"Choose a time of {MIN_LIFETIME} to {MAX_LIFETIME} seconds.",
    }


class TokenForm(Shape, frozen=True, kw_only=True):
    """The form of the token page: a choice of lifetimes in days, and the owner's password."""

    name: TokenName
    scopes: TokenScopes
    days: Literal["7", "30", "90", "365"]
    password: Password

    messages: ClassVar = {
        "name": NAME_MESSAGE,
        "scopes": "Tick at least one thing that it may do.",
        "days": "Choose one of these times.",
        "password": Credentials.messages["password"],
    }

    @property
    def wish(self) -> TokenWish:
        """The values for `tokens.rules.make_token`."""
        return TokenWish(name=self.name, scopes=self.scopes, expires_in=int(self.days) * DAY)


def new_email(text: str) -> str:
    """Return the canonical form of an address that may register. Raises InvalidInputError.

    EMAIL_MAX_LENGTH bounds the characters as typed, which people can count. The canonical form may
    be longer, because its domain is in ASCII: up to EMAIL_MAX_KEPT_LENGTH.
    """
    if not EMAIL_MIN_LENGTH <= len(text) <= EMAIL_MAX_LENGTH:
        raise InvalidInputError(FieldError("email", EMAIL_MESSAGE, "invalid"))
    return canonical_email(text)


def canonical_email(text: str) -> str:
    """Return the form in which addresses are stored: lower case, the domain in ASCII.

    The part before the @ must be ASCII: other letters may look alike or have the same lower case,
    and then two people's addresses would be one (decision 7). Raises InvalidInputError for the
    field `email`.
    """
    # Imported here: the import would slow down every start, and only the first sign-in needs it.
    from email_validator import EmailNotValidError, validate_email

    try:
        address = validate_email(text, allow_smtputf8=False, check_deliverability=False)
    except EmailNotValidError:
        raise InvalidInputError(FieldError("email", EMAIL_MESSAGE, "invalid")) from None
    return (address.ascii_email or address.normalized).lower()


def readable_email(email: str) -> str:
    """Return an address with its domain as people write it, in letters of any script.

    An address that could not register today is returned unchanged.
    """
    from email_validator import EmailNotValidError, validate_email

    try:
        return validate_email(email, allow_smtputf8=False, check_deliverability=False).normalized
    except EmailNotValidError:
        return email
