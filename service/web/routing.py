"""How addresses are read: by their path alone, and ids in one spelling each."""

import re
from urllib.parse import urlsplit

from quart import Quart, Response, request
from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter, RequestRedirect

from service.web import pages

MAX_ID = 2**31 - 1  # PostgreSQL's integer
API = "/api/"
API_DOCS = "/api/docs"
_ID = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)


class IdConverter(BaseConverter):
    """`<id:name>` in a rule: an int; anything else is an unknown address."""

    regex = "[1-9][0-9]{0,9}"

    def to_python(self, value: str) -> int:
        """The number, unless it is too large to be anybody's."""
        if not is_id(value):
            raise NotFound  # ValidationError would have POST answered with 405
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


def is_for_programs(path: str) -> bool:
    """Whether programs call this address: the JSON API, but not the page that describes it.

    Whoever calls such an address gets refusals as problem+json and is told of limits. Everybody
    else gets pages.
    """
    return path.startswith(API) and path != API_DOCS and not path.startswith(f"{API_DOCS}/")


def is_id(text: str) -> bool:
    """Whether a text is an id as we write it, and not larger than the column."""
    return _ID.fullmatch(text) is not None and int(text) <= MAX_ID
