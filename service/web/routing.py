"""How addresses are read: by their path alone, and ids in one spelling each."""

import re
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from quart import Quart, Response, request
from quart.wrappers import BaseRequestWebsocket
from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter, Map, MapAdapter, RequestRedirect, Rule

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
    app.url_map.bind_to_request = partial(_bind, app.url_map, {})  # type: ignore[attr-defined]

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


class _Adapter(MapAdapter):
    """Takes no path apart that it has seen to be a rule without variables."""

    known: dict[tuple[str, str], Rule]  # by method and path: as many as such rules have methods

    def match(self, *args: Any, **options: Any) -> Any:
        """As the base class does."""
        if args or options != {"return_rule": True}:
            return super().match(*args, **options)
        key = (self.default_method, self.path_info)
        if key in self.known:
            return self.known[key], {}
        rule, values = super().match(return_rule=True)
        if rule.rule == self.path_info:
            self.known[key] = rule
        return rule, values


def _bind(
    url_map: Map,
    known: dict[tuple[str, str], Rule],
    request: BaseRequestWebsocket,
    *_: object,
) -> MapAdapter:
    """Quart would give the router the request's Host; one that is no name breaks it."""
    adapter = _Adapter(
        url_map,
        "localhost",
        request.root_path,
        "",
        "http",
        request.path,
        request.method,
        request.query_string.decode(errors="replace"),
    )
    adapter.known = known
    return adapter


def is_id(text: str) -> bool:
    """Whether a text is an id as we write it, and not larger than the column."""
    return _ID.fullmatch(text) is not None and int(text) <= MAX_ID
