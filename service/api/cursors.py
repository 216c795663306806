"""Cursors: places in a list as opaque texts. Only texts that `cursor` has made are accepted."""

import base64
import binascii
from typing import get_args

import msgspec

from service.books.queries import Order, Place
from service.exceptions import FieldError, InvalidInputError
from service.validation import is_storable
from service.web.routing import MAX_ID


class _ByTitle(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    order: Order
    title: str
    id: int


class _ById(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    order: Order
    id: int


_BY_TITLE, _BY_ID = msgspec.json.Decoder(_ByTitle), msgspec.json.Decoder(_ById)


def cursor(order: Order, place: Place) -> str:
    """Return the text for a place in an order."""
    packed = msgspec.json.encode((order, *place))
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def read_cursor(text: str, order: Order) -> Place:
    """Return the place of a cursor. Raises InvalidInputError if it is no cursor of this order."""
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        place: Place
        if order in ("title", "-title"):
            by_title = _BY_TITLE.decode(packed)
            found, place = by_title.order, (by_title.title, by_title.id)
        else:
            by_id = _BY_ID.decode(packed)
            found, place = by_id.order, (by_id.id,)
    except (binascii.Error, ValueError, RecursionError):  # ValueError: also of msgspec and of UTF-8
        raise _refusal() from None
    if (
        found != order
        or cursor(order, place) != text
        or not 0 < place[-1] <= MAX_ID
        or not all(is_storable(part) for part in place[:-1] if isinstance(part, str))
    ):
        raise _refusal()
    return place


def _refusal() -> InvalidInputError:
    message = "Use what `next` was in an answer with the same `sort`."
    return InvalidInputError(FieldError("after", message, "invalid"))


ORDERS: tuple[Order, ...] = get_args(Order)
