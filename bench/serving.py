"""Starts the peers, signs in to each, and makes the requests that they are asked with."""

import html
import http.client
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from email.message import Message
from http.cookiejar import CookieJar
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener

from bench import requests
from bench.data import PASSWORD, READ_TOKEN, Database, write_token
from bench.peers import WORKERS, Peer
from bench.requests import AGENT, FORM, HOST, JSON
from bench.rows import API_LIST, PAGE_SIZE, WRITERS, Row
from tests.servers import Gunicorn, free_port, served

SIGNING_IN = 8  # people at a time
TITLE = re.compile(r"<t[hd][^>]*>\s*(?:<bdi>)?(Volume \d{6}[^<]*)<")
BOOK = {"title": "Middlemarch & more", "author": "George Eliot", "rating": 5}
BOOK_FORM = {f"book_{name}": str(value) for name, value in BOOK.items()}


class BenchError(RuntimeError):
    """What was measured would not have been comparable, or not an answer at all."""


@dataclass(frozen=True)
class Running:
    """A peer that serves; its cookies by e-mail address, and the ETag of the API's list."""

    peer: Peer
    server: Gunicorn
    database: Database
    cookies: Mapping[str, str]
    etag: str = ""

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        return urlsplit(self.server.url).port or 80

    @property
    def trees(self) -> dict[str, int | None]:
        """The first processes of what works for an answer."""
        return {"server": self.server.pid, "database": self.database.server}

    def requests(self, row: Row) -> list[bytes]:
        """The requests of this row, to be sent in turn."""
        if row.sender == "writers by page":
            cookies = [self.cookies[self.peer.writer(number)] for number in range(WRITERS)]
            return [self._add(row, FORM, {"Cookie": cookie}) for cookie in cookies]
        if row.sender in ("writers by API", "one writer"):
            writers = range(1 if row.sender == "one writer" else WRITERS)
            tokens = [write_token(self.peer, number) for number in writers]
            return [self._add(row, JSON, _bearer(token)) for token in tokens]
        return [requests.get(self.port, row.path, self.headers(row))]

    def sign_ins(self) -> list[bytes]:
        """The forms with which all writers sign in, to be sent in turn."""
        forms = [_login(self.peer.writer(number)) for number in range(WRITERS)]
        return [requests.post(self.port, self.peer.login, form, FORM) for form in forms]

    def headers(self, row: Row) -> dict[str, str]:
        """The headers that a GET of this row has of its own."""
        headers = {}
        if row.sender == "reader":
            headers["Cookie"] = self.cookies[self.peer.reader(row.books)]
        if row.sender == "program":
            headers |= _bearer(READ_TOKEN)
        if row.unchanged:
            headers["If-None-Match"] = self.etag
        return headers

    def _add(self, row: Row, content_type: str, headers: Mapping[str, str]) -> bytes:
        body = requests.form(BOOK_FORM) if content_type == FORM else json.dumps(BOOK).encode()
        return requests.post(self.port, row.path, body, content_type, headers)


class Answer(NamedTuple):
    """What a server said to one request."""

    headers: Message
    body: bytes


@contextmanager
def serving(
    peers: Sequence[Peer],
    databases: Mapping[str, Database],
    rows: Collection[Row],
    *,
    workers: int = WORKERS,
) -> Iterator[list[Running]]:
    """Run all peers, signed in to for these rows, and compared; they idle in turn."""
    with ExitStack() as stack:
        running = []
        for peer in peers:
            port, database = free_port(), databases[peer.name]
            environment = peer.environment(database.url)
            command = peer.command(port, workers)
            server = stack.enter_context(served(command, environment, port, peer.ready))
            asked = [row for row in peer.rows if row in rows]
            signed_in = Running(peer, server, database, _sign_in(peer, server.url, asked))
            unchanged = any(row.unchanged for row in asked)
            running.append(replace(signed_in, etag=_etag(signed_in)) if unchanged else signed_in)
        _compare(running, rows)
        yield running


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _login(email: str) -> bytes:
    return requests.form({"email": email, "password": PASSWORD})


def _sign_in(peer: Peer, url: str, rows: Sequence[Row]) -> dict[str, str]:
    """The cookies of everybody whom these rows need, by e-mail address."""
    people = [peer.reader(books) for books in {row.books for row in rows} - {0}]
    if any(row.sender == "writers by page" for row in rows):
        people += [peer.writer(number) for number in range(WRITERS)]
    with ThreadPoolExecutor(SIGNING_IN) as threads:
        return dict(
            zip(people, threads.map(lambda one: _cookie(peer, url, one), people), strict=True)
        )


def _cookie(peer: Peer, url: str, email: str) -> str:
    """As a browser has it once the page after the login was shown, without that page's flash."""
    jar = CookieJar()
    browser = build_opener(ProxyHandler({}), HTTPCookieProcessor(jar))
    browser.addheaders = [("Origin", url), ("User-Agent", AGENT)]
    try:
        browser.open(url + peer.login, _login(email), timeout=30).close()
    except OSError as error:
        raise BenchError(f"{peer.name}: signing in failed: {error}") from error
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


def _etag(running: Running) -> str:
    return ask(running, API_LIST).headers["ETag"] or ""


def _compare(running: Sequence[Running], rows: Collection[Row]) -> None:
    """All peers must show the same books, and programs the same bytes: else speed means nothing.

    Other releases of the service may word their JSON otherwise, so of theirs only pages count.
    """
    shown: dict[str, object] = {}
    for each in running:
        for row in (row for row in each.peer.rows if row in rows):
            if row.sender == "reader":
                found: object = _titles(ask(each, row))
            elif row.sender == "program" and each.peer.folder == running[0].peer.folder:
                found = _told(ask(each, row))
            else:
                continue
            if found != shown.setdefault(row.name, found):
                raise BenchError(f"{each.peer.name} {row.name} shows other books: {found}")


def _titles(answer: Answer) -> list[str]:
    titles = [html.unescape(title) for title in TITLE.findall(answer.body.decode())]
    if len(titles) != PAGE_SIZE:
        raise BenchError(f"{PAGE_SIZE} books were to be shown: {titles}")
    return titles


def _told(answer: Answer) -> tuple[object, ...]:
    return *(answer.headers[name] for name in ("Content-Type", "ETag", "Link")), answer.body


def ask(running: Running, row: Row) -> Answer:
    """The answer to one request of a row that only reads. Raises BenchError."""
    connection = http.client.HTTPConnection(HOST, running.port, timeout=30)
    headers = {"User-Agent": AGENT, **running.headers(row)}
    try:
        connection.request("GET", row.path, headers=headers)
        response = connection.getresponse()
        if response.status != row.status:
            raise BenchError(f"{running.peer.name} {row.name}: {response.status}")
        return Answer(response.headers, response.read())
    finally:
        connection.close()
