"""The check of forms with a new address or a new password."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from service.exceptions import FieldError, InvalidInputError
from service.models import PASSWORD_MAX_LENGTH
from service.security.password_text import is_same
from service.users import accounts
from service.validation import ShapeT, check_text
from service.web.context import get_settings


async def check_form(
    shape: type[ShapeT], texts: Mapping[str, str], *, present_email: str = ""
) -> tuple[ShapeT, str]:
    """Check the fields that `shape` has, and among them `email`, `password` and `confirm`.

    Returns the shape and the canonical address, which is `present_email` in a form without `email`.
    Raises one InvalidInputError for the errors of all fields.
    """
    names = shape.__struct_fields__
    sent = {name: texts.get(name, "") for name in ("email", "password", "confirm") if name in names}
    errors: list[FieldError] = []
    with _added_to(errors):
        wanted = check_text(shape, texts)
    with _added_to(errors):
        email = await accounts.check_details(
            email=sent.get("email"),
            password=sent.get("password"),
            present_email=present_email,
            min_password_length=get_settings().password_min_length,
        )
    if "confirm" in sent and not is_same(sent["password"], sent["confirm"], PASSWORD_MAX_LENGTH):
        errors.append(FieldError("confirm", shape.messages["confirm"], "not_equal"))
    if errors:
        raise InvalidInputError(*errors)
    return wanted, email


@contextmanager
def _added_to(errors: list[FieldError]) -> Iterator[None]:
    try:
        yield
    except InvalidInputError as error:
        errors.extend(error.errors)
