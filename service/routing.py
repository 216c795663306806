"""How ids stand in addresses: one spelling each, and none that the database could not hold."""

import re
from urllib.parse import urlsplit

from quart import Quart, Response, request
from werkzeug.routing import BaseConverter, RequestRedirect, ValidationError

from service import pages

MAX_ID = 2**31 - 1  # PostgreSQL's integer
_ID = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)


class IdConverter(BaseConverter):
    """`<id:name>` in a rule: an int; anything else is an unknown address."""

    regex = "[1-9][0-9]{0,9}"

    def to_python(self, value: str) -> int:
        """The number, unless it is too large to be anybody's."""
        if not is_id(value):
            raise ValidationError
        return int(value)


def init_app(app: Quart) -> None:
    """Make `<id:…>` known; lead from an address without its last slash to the one with it."""
    app.url_map.converters["id"] = IdConverter

    @app.before_request
    async def add_slash() -> Response | None:
        """Quart would name scheme and host, and behind a proxy the wrong scheme."""
        error = request.routing_exception
        if not isinstance(error, RequestRedirect):
            return None
        return pages.redirect(urlsplit(error.new_url)._replace(scheme="", netloc="").geturl(), 308)


def is_id(text: str) -> bool:
    """Whether a text is an id as we write it, and not larger than the column."""
    return _ID.fullmatch(text) is not None and int(text) <= MAX_ID
