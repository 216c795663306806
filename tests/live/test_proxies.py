"""ETags through reverse proxies that change them: a program's conditions still mean the same.

The proxies are a real nginx and a real Apache, where the machine has them, and one of our own that
makes every known form of an ETag.
"""

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.api.accounts import add_token
from tests.etags import FORMS
from tests.live.proxies import ProxyMissingError, apache, nginx, rewriting
from tests.servers import Gunicorn

BOOK = {"title": "Middlemarch", "author": "George Eliot", "rating": 5}
BOOKS, DESCRIPTION, STYLE = "/api/v1/books", "/api/v1/openapi.json", "/static/app.css"

Proxy = Callable[[str, Path], AbstractContextManager[str]]


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def etag(self) -> str:
        return self.headers["etag"]


class Client:
    """A program that takes compressed answers, as most libraries do. It cannot read brotli."""

    def __init__(self, url: str, token: str, encoding: str = "gzip") -> None:
        self.url = url
        self.token = token
        self.encoding = encoding

    def call(self, method: str, path: str, body: Any = None, **conditions: str) -> Answer:
        sent = {"Authorization": f"Bearer {self.token}", "Accept-Encoding": self.encoding}
        sent |= {"Content-Type": "application/json"} if body is not None else {}
        sent |= {name.replace("_", "-"): value for name, value in conditions.items()}
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, path, data, sent)
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            found = response.read()
        finally:
            connection.close()
        encoding = headers.get("content-encoding")
        if encoding == "gzip":
            found = gzip.decompress(found)
        is_json = "json" in headers.get("content-type", "") and found and encoding != "br"
        return Answer(response.status, headers, json.loads(found) if is_json else found)


def check_reading(client: Client) -> None:
    """An unchanged list, book, description or file is not sent again, and a changed one is."""
    made = client.call("POST", BOOKS, BOOK)
    for path in (BOOKS, made.headers["location"], DESCRIPTION, STYLE):
        seen = client.call("GET", path)
        assert seen.status == 200, path
        for known in (seen.etag, f'"x", {seen.etag}'):
            again = client.call("GET", path, If_None_Match=known)
            assert (again.status, again.body) == (304, b""), (path, known)
        # What the 304 calls it is as good as what the 200 did.
        assert client.call("GET", path, If_None_Match=again.etag).status == 304, path
        assert client.call("GET", path, If_None_Match='"x"').status == 200, path
    before = client.call("GET", BOOKS).etag
    client.call("PATCH", made.headers["location"], {"rating": 1})
    assert client.call("GET", BOOKS, If_None_Match=before).status == 200


def check_changing(client: Client) -> None:
    """The ETag that the program got is the one to send; what it means is told apart."""
    made = client.call("POST", BOOKS, BOOK)
    path = made.headers["location"]
    changed = client.call("PATCH", path, {"rating": 4}, If_Match=made.etag)
    assert (changed.status, changed.body["rating"]) == (200, 4)
    replaced = client.call("PUT", path, BOOK, If_Match=changed.etag)
    assert (replaced.status, replaced.body["rating"]) == (200, 5)
    seen = client.call("GET", path)
    assert seen.body == replaced.body
    for method, body in (("PATCH", {"rating": 1}), ("PUT", BOOK), ("DELETE", None)):
        stale = client.call(method, path, body, If_Match=made.etag)
        assert (stale.status, stale.body["code"]) == (412, "BOOK_CHANGED")
        foreign = client.call(method, path, body, If_Match='"x"')
        assert (foreign.status, foreign.body["code"]) == (412, "NO_ETAG")
    assert client.call("GET", path).body == seen.body
    assert client.call("DELETE", path, If_Match=seen.etag).status == 204


@pytest.mark.parametrize(
    ("proxy", "form"),
    [(nginx, FORMS["nginx"]), (apache, FORMS["Apache mod_deflate"])],
    ids=["nginx", "apache"],
)
def test_real_proxies(
    server: Gunicorn, tmp_path: Path, proxy: Proxy, form: Callable[[str], str]
) -> None:
    """As the packages of operating systems compress."""
    direct = Client(server.url, add_token(server.url))
    with started(proxy, server, tmp_path) as url:
        client = Client(url, direct.token)
        path = direct.call("POST", BOOKS, BOOK).headers["location"]
        for each in (path, BOOKS, DESCRIPTION, STYLE):
            seen = client.call("GET", each)
            assert seen.headers["content-encoding"] == "gzip"
            assert seen.etag == form(direct.call("GET", each).etag)
        check_reading(client)
        check_changing(client)


def test_apache_with_brotli(server: Gunicorn, tmp_path: Path) -> None:
    direct = Client(server.url, add_token(server.url))
    with started(apache, server, tmp_path) as url:
        client = Client(url, direct.token, "br")
        path = direct.call("POST", BOOKS, BOOK).headers["location"]
        seen = client.call("GET", path)
        assert seen.headers["content-encoding"] == "br"
        assert seen.etag == FORMS["Apache mod_brotli"](direct.call("GET", path).etag)
        check_reading(client)
        assert client.call("PATCH", path, {"rating": 1}, If_Match=seen.etag).status == 200
        assert client.call("PATCH", path, {"rating": 2}, If_Match=seen.etag).status == 412
        assert direct.call("GET", path).body["rating"] == 1


def test_every_form(server: Gunicorn) -> None:
    """As any proxy that we know of changes an ETag."""
    direct = Client(server.url, add_token(server.url))
    for form in FORMS.values():
        with rewriting(server.url, form) as url:
            client = Client(url, direct.token)
            assert client.call("GET", BOOKS).etag == form(direct.call("GET", BOOKS).etag)
            check_reading(client)
            check_changing(client)


@contextmanager
def started(proxy: Proxy, server: Gunicorn, folder: Path) -> Iterator[str]:
    try:
        with proxy(server.url, folder) as url:
            yield url
    except ProxyMissingError as missing:
        pytest.skip(str(missing))
