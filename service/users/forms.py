"""The shapes of what people send about their accounts, and the canonical form of an address."""

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
from service.shapes import Shape, visible

EMAIL_MESSAGE = (
    f"Enter an e-mail address of {EMAIL_MIN_LENGTH} to {EMAIL_MAX_LENGTH} characters,"
    " such as name@example.com."
)


class NewDetails(Shape, frozen=True, kw_only=True):
    """A new account. What the texts must be is for the rules, which tell of all fields at once."""

    email: str
    password: str

    messages: ClassVar = {"email": EMAIL_MESSAGE, "password": "Enter a password."}


class Registration(NewDetails, frozen=True, kw_only=True):
    """The same on a page, where the password is typed twice."""

    confirm: str

    messages: ClassVar = {
        **NewDetails.messages,
        "confirm": "Enter the same password again.",
    }


# Looser than for a registration: old accounts keep working.
Email = Annotated[str, Meta(min_length=1, max_length=EMAIL_MAX_KEPT_LENGTH)]


def _may_be_password(typed: str) -> bool:
    """Whether an account can have it: by either form, as old passwords were measured as typed."""
    return len(typed) <= PASSWORD_MAX_LENGTH or not is_too_long(typed, PASSWORD_MAX_LENGTH)


Password = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_TYPED * PASSWORD_MAX_LENGTH,
        extra={"rule": _may_be_password},
    ),
]


class Credentials(Shape, frozen=True, kw_only=True):
    """What somebody signs in with."""

    email: Email
    password: Password
    remember_me: bool = False

    messages: ClassVar = {
        "email": "Enter your e-mail address.",
        "password": f"Enter your password, of at most {PASSWORD_MAX_LENGTH} characters.",
        "remember_me": "Tick this or leave it.",
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
    """An access token as somebody wants it."""

    name: TokenName
    scopes: TokenScopes = field(default_factory=lambda: ["books:read", "books:write"])
    expires_in: Annotated[int, Meta(ge=MIN_LIFETIME, le=MAX_LIFETIME)] = DEFAULT_LIFETIME

    messages: ClassVar = {
        "name": NAME_MESSAGE,
        "scopes": f"Choose one or more of {', '.join(SCOPES)}.",
        "expires_in": f"Choose a time of {MIN_LIFETIME} to {MAX_LIFETIME} seconds.",
    }


class TokenForm(Shape, frozen=True, kw_only=True):
    """The same on a page: a lifetime from a few, and the password of whoever wants it."""

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
        """What the rules take."""
        return TokenWish(name=self.name, scopes=self.scopes, expires_in=int(self.days) * DAY)


def new_email(text: str) -> str:
    """The canonical form of an address that may register. Raises InvalidInputError.

    The bound is of the typed characters, which people can count. In ASCII the address may be
    longer, up to EMAIL_MAX_KEPT_LENGTH.
    """
    if not EMAIL_MIN_LENGTH <= len(text) <= EMAIL_MAX_LENGTH:
        raise InvalidInputError(FieldError("email", EMAIL_MESSAGE, "invalid"))
    return canonical_email(text)


def canonical_email(text: str) -> str:
    """The one spelling of an address that accounts are kept under: lower case, domain in ASCII.

    The part before the @ must be ASCII: letters that look alike or fold into each other would
    make two people's addresses one. Raises InvalidInputError about the field `email`.
    """
    # Imported here: it costs a cold start more than the first sign-in.
    from email_validator import EmailNotValidError, validate_email

    try:
        address = validate_email(text, allow_smtputf8=False, check_deliverability=False)
    except EmailNotValidError:
        raise InvalidInputError(FieldError("email", EMAIL_MESSAGE, "invalid")) from None
    return (address.ascii_email or address.normalized).lower()


def readable_email(email: str) -> str:
    """An address with its domain as people write it, in letters of any script.

    One that could not register today stays as it is.
    """
    from email_validator import EmailNotValidError, validate_email

    try:
        return validate_email(email, allow_smtputf8=False, check_deliverability=False).normalized
    except EmailNotValidError:
        return email
