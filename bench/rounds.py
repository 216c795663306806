"""Starts the peers, signs in to each and measures them in turn."""

import html
import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from email.message import Message
from http.cookiejar import CookieJar
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener

from bench import cpu
from bench.data import PASSWORD, TOKEN
from bench.load import AGENT, Job, Seen
from bench.memory import Memory, at_most
from bench.peers import LIST, Peer, Route
from tests.servers import ROOT, Gunicorn, free_port, served

PAGE_SIZE = 25
TITLE = re.compile(r"<t[hd][^>]*>\s*(Volume \d{6}[^<]*)<")


class BenchError(RuntimeError):
    """What was measured would not have been comparable, or not an answer at all."""


@dataclass(frozen=True)
class Running:
    """A peer that serves, the cookies of its readers by the number of their books, and the ETag
    of the API's list; empty where there is none.
    """

    peer: Peer
    server: Gunicorn
    cookies: Mapping[int, str]
    etag: str

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        return urlsplit(self.server.url).port or 80

    def headers(self, route: Route) -> dict[str, str]:
        """The headers that this route is asked with."""
        headers = {}
        if route.books is not None:
            headers["Cookie"] = self.cookies[route.books]
        if route.api:
            headers["Authorization"] = f"Bearer {TOKEN}"
        if route.unchanged:
            headers["If-None-Match"] = self.etag
        return headers


class Answer(NamedTuple):
    """What a server said to one request."""

    status: int
    headers: Message
    body: bytes


@dataclass(frozen=True)
class Plan:
    """How much to measure; the first round warms up and is not counted."""

    rounds: int
    seconds: float
    connections: int


@contextmanager
def serving(peers: Sequence[Peer], database_url: str) -> Iterator[list[Running]]:
    """Runs all peers, signed in and compared; they idle while another is measured."""
    with ExitStack() as stack:
        running = []
        for peer in peers:
            port = free_port()
            environment = peer.environment(database_url)
            server = stack.enter_context(served(peer.command(port), environment, port, peer.ready))
            signed_in = Running(peer, server, _sign_in(peer, server.url), "")
            running.append(replace(signed_in, etag=_etag(signed_in)))
        _compare(running)
        yield running


def measure(running: Running, route: Route, plan: Plan) -> Seen:
    """One measurement in a client process of its own; a bad answer ends the bench."""
    headers = running.headers(route)
    job = Job(running.port, route.path, headers, route.status, plan.connections, plan.seconds)
    return _load(running, route.name, job)


def sign_in_again(running: Running, plan: Plan) -> Memory | None:
    """Sign in over and over, which takes the service 19 MiB each; the memory at its largest.

    None where the peer has no such page, or the system does not tell.
    """
    peer = running.peer
    if not running.cookies:
        return None
    form = _form(peer, next(iter(running.cookies))).decode()
    job = Job(running.port, peer.login, {}, peer.signed_in, plan.connections, plan.seconds, form)
    with at_most(running.server.pid) as largest:
        _load(running, "signing in", job)
    return largest[0] if largest else None


def _load(running: Running, name: str, job: Job) -> Seen:
    before = cpu.seconds(running.server.pid)
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(asdict(job)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=job.seconds + 60,
        check=True,
    )
    after = cpu.seconds(running.server.pid)
    seen = Seen(**json.loads(done.stdout))
    if before is not None and after is not None:
        seen.server_cpu = after - before
    if seen.bad or len(seen.times) < 2:  # percentiles need two
        log = running.server.log()[-2000:]
        raise BenchError(f"{running.peer.name} {name}: {seen.bad or 'too slow'}\n{log}")
    return seen


def _sign_in(peer: Peer, url: str) -> dict[int, str]:
    sizes = {route.books for route in peer.routes if route.books is not None}
    return {books: _cookie(peer, url, books) for books in sizes}


def _cookie(peer: Peer, url: str, books: int) -> str:
    """As a browser has it once the page after the login was shown, without that page's flash."""
    jar = CookieJar()
    browser = build_opener(ProxyHandler({}), HTTPCookieProcessor(jar))
    browser.addheaders = [("Origin", url), ("User-Agent", AGENT)]
    try:
        browser.open(url + peer.login, _form(peer, books), timeout=30).close()
    except OSError as error:
        raise BenchError(f"{peer.name}: signing in failed: {error}") from error
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


def _form(peer: Peer, books: int) -> bytes:
    return urlencode({"email": peer.email(books), "password": PASSWORD}).encode()


def _etag(running: Running) -> str:
    return _ask(running, LIST).headers["ETag"] or "" if LIST in running.peer.routes else ""


def _compare(running: Sequence[Running]) -> None:
    """All peers must show the same books, and programs the same bytes: else speed means nothing."""
    shown: dict[str, object] = {}
    for each in running:
        for route in each.peer.routes:
            if route.books is None and not route.api:
                continue
            answer = _ask(each, route)
            found = _told(answer) if route.api else _titles(answer)
            if found != shown.setdefault(route.name, found):
                raise BenchError(f"{each.peer.name} {route.name} shows other books: {found}")


def _titles(answer: Answer) -> list[str]:
    titles = [html.unescape(title) for title in TITLE.findall(answer.body.decode())]
    if len(titles) != PAGE_SIZE:
        raise BenchError(f"{PAGE_SIZE} books were to be shown: {titles}")
    return titles


def _told(answer: Answer) -> tuple[object, ...]:
    named = (answer.headers[name] for name in ("Content-Type", "ETag", "Link"))
    return answer.status, *named, answer.body


def _ask(running: Running, route: Route) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    headers = {"User-Agent": AGENT, **running.headers(route)}
    try:
        connection.request("GET", route.path, headers=headers)
        response = connection.getresponse()
        if str(response.status) != route.status:
            raise BenchError(f"{running.peer.name} {route.name}: {response.status}")
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()
