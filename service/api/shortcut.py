"""The list as programs poll it, with a token and nothing unusual, answered without Quart.

Quart's way to a view and back, SQLAlchemy's to a connection and Werkzeug's headers take longer
than the two statements and the JSON together; docs/decisions has the figures. Every rule is the
ordinary way's own: what is here decides only whether a request is so plain that nothing else of
that way would do anything. All others take it, and so does whoever is to be refused.
"""

from functools import lru_cache
from urllib.parse import parse_qsl

import msgspec
from werkzeug.routing import Rule

from service.api.authentication import authenticate_token
from service.api.bodies import JSON
from service.api.books import ADDRESS, LIST_SCOPE, ListQuery, part_of_list, place_of
from service.api.conditions import etag_of_list
from service.asgi import Scope
from service.books import queries
from service.config import Settings
from service.db import Database
from service.exceptions import InvalidInputError
from service.shapes import check_query
from service.web.connection import Answer, Application
from service.web.etags import is_known
from service.web.guards import plain_headers

_ACCEPTED = (b"*/*", JSON.encode())


def init_app(app: Application) -> None:
    """Take the shortcut where it can be taken."""
    [rule] = app.url_map.iter_rules("api_books.list_books")
    app.shortcuts[ADDRESS] = _List(app, rule)


class _List:
    def __init__(self, app: Application, rule: Rule) -> None:
        self.app = app
        self.rule = rule
        self.settings: Settings = app.extensions["settings"]
        self.database: Database = app.extensions["database"]

    async def __call__(self, scope: Scope) -> Answer | None:
        headers = plain_headers(scope, self.settings) if scope["method"] == "GET" else None
        if headers is None or headers.get(b"accept", b"*/*") not in _ACCEPTED:
            return None
        scheme, _, token = headers.get(b"authorization", b"").decode("latin1").partition(" ")
        query = _query(scope["query_string"])
        if scheme != "Bearer" or query is None:
            return None
        async with self.database.read() as connection:
            caller = await authenticate_token(connection, token.strip(), LIST_SCOPE, self.app)
            place = place_of(query)
            etag = etag_of_list(caller.user.id, caller.user.books_revision)
            if is_known(headers.get(b"if-none-match", b"").decode("latin1"), etag):
                return Answer(self.rule, 304, [(b"etag", etag.encode())], b"")
            rows = await queries.list_books_in_order(
                connection, caller.user.id, query.sort, place, query.limit + 1
            )
        found, link = part_of_list(query, rows)
        body = msgspec.json.encode(found)
        told = {"ETag": etag, **link, "Content-Type": JSON, "Content-Length": str(len(body))}
        encoded = [(name.lower().encode(), value.encode()) for name, value in told.items()]
        return Answer(self.rule, 200, encoded, body)


@lru_cache(maxsize=256)
def _query(query_string: bytes) -> ListQuery | None:
    """None for what is refused, and for what takes another statement."""
    try:
        fields = parse_qsl(query_string.decode("ascii"), keep_blank_values=True)
        texts = {name: [text] for name, text in fields}
        query = check_query(ListQuery, texts)
    except (ValueError, InvalidInputError):
        return None
    return query if len(texts) == len(fields) and not query.count else None
