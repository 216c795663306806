"""Starts the peers, signs in to each and measures them in turn."""

import html
import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from http.cookiejar import CookieJar
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener

from bench import cpu
from bench.data import PASSWORD
from bench.load import AGENT, Job, Seen
from bench.peers import Peer, Route
from tests.servers import ROOT, Gunicorn, gunicorn

WORKERS = 2
PAGE_SIZE = 25
TITLE = re.compile(r"<t[hd][^>]*>\s*(Volume \d{6}[^<]*)<")


class BenchError(RuntimeError):
    """What was measured would not have been comparable, or not an answer at all."""


@dataclass(frozen=True)
class Running:
    """A peer that serves, and the cookies of its readers by the number of their books."""

    peer: Peer
    server: Gunicorn
    cookies: Mapping[int, str]

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        return urlsplit(self.server.url).port or 80

    def cookie(self, route: Route) -> str:
        """The value of the Cookie header for this route; empty for none."""
        return "" if route.books is None else self.cookies[route.books]


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
            server = stack.enter_context(
                gunicorn(
                    peer.environment(database_url),
                    workers=WORKERS,
                    args=peer.args,
                    app=peer.app,
                    worker_class=peer.worker_class,
                    path=peer.ready,
                )
            )
            running.append(Running(peer, server, _sign_in(peer, server.url)))
        _compare(running)
        yield running


def measure(running: Running, route: Route, plan: Plan) -> Seen:
    """One measurement in a client process of its own; a bad answer ends the bench."""
    cookie = running.cookie(route)
    job = Job(running.port, route.path, cookie, plan.connections, plan.seconds)
    before = cpu.seconds(running.server.pid)
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(asdict(job)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=plan.seconds + 60,
        check=True,
    )
    after = cpu.seconds(running.server.pid)
    seen = Seen(**json.loads(done.stdout))
    if before is not None and after is not None:
        seen.server_cpu = after - before
    if seen.bad or len(seen.times) < 2:  # percentiles need two
        log = running.server.log()[-2000:]
        raise BenchError(f"{running.peer.name} {route.name}: {seen.bad or 'too slow'}\n{log}")
    return seen


def _sign_in(peer: Peer, url: str) -> dict[int, str]:
    sizes = {route.books for route in peer.routes if route.books is not None}
    return {books: _cookie(peer, url, books) for books in sizes}


def _cookie(peer: Peer, url: str, books: int) -> str:
    """As a browser has it once the page after the login was shown, without that page's flash."""
    form = urlencode({"email": peer.email(books), "password": PASSWORD}).encode()
    jar = CookieJar()
    browser = build_opener(ProxyHandler({}), HTTPCookieProcessor(jar))
    browser.addheaders = [("Origin", url), ("User-Agent", AGENT)]
    try:
        browser.open(url + peer.login, form, timeout=30).close()
    except OSError as error:
        raise BenchError(f"{peer.name}: signing in failed: {error}") from error
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


def _compare(running: Sequence[Running]) -> None:
    """All peers must show the same books, or their speeds mean nothing."""
    shown: dict[int, list[str]] = {}
    for each in running:
        for route in each.peer.routes:
            if route.books is None:
                continue
            titles = _titles(each, route)
            if len(titles) != PAGE_SIZE or titles != shown.setdefault(route.books, titles):
                raise BenchError(f"{each.peer.name} {route.name} shows other books: {titles}")


def _titles(running: Running, route: Route) -> list[str]:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    headers = {"Cookie": running.cookie(route), "User-Agent": AGENT}
    try:
        connection.request("GET", route.path, headers=headers)
        page = connection.getresponse().read().decode()
    finally:
        connection.close()
    return [html.unescape(title) for title in TITLE.findall(page)]
