"""Paths of URLs: ids have one spelling each, and a missing last slash is a redirect."""

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
    """The converter for `<id:name>` in a rule: an int. Any other text is answered with 404."""

    regex = "[1-9][0-9]{0,9}"

    def to_python(self, value: str) -> int:
        """Return the number. Raises NotFound if it is larger than MAX_ID."""
        if not is_id(value):
            raise NotFound  # after ValidationError, a POST would be answered with 405
        return int(value)


def init_app(app: Quart) -> None:
    """Register `<id:…>`, and redirect a path without its last slash to the path with it."""
    app.url_map.converters["id"] = IdConverter

    @app.before_request
    async def add_slash() -> Response | None:
        """Redirect by path alone. Quart's redirect has a scheme, which is wrong behind a proxy."""
        error = request.routing_exception
        if not isinstance(error, RequestRedirect):
            return None
        return pages.redirect(urlsplit(error.new_url)._replace(scheme="", netloc="").geturl(), 308)


def is_for_programs(path: str) -> bool:
    """Return whether the path belongs to the JSON API. The page that describes the API does not.

    Answers under such a path have refusals as problem+json, and the headers of limits. All other
    paths answer with pages.
    """
    return path.startswith(API) and path != API_DOCS and not path.startswith(f"{API_DOCS}/")


def is_id(text: str) -> bool:
    """Return whether a text is an id in its only spelling, and at most MAX_ID."""
    return _ID.fullmatch(text) is not None and int(text) <= MAX_ID
