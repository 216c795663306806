"""The forms of pages, found by walking the pages: a new one is found by itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

from quart import Quart

from service.security.same_origin import SAFE_METHODS
from tests.people import Browser
from tests.web.test_routes import routes
from tests.wire import send


@dataclass
class Found:
    """What somebody's pages offer: by route the fields of forms, and the parameters of links."""

    forms: dict[str, dict[str, str]] = field(default_factory=dict)
    queries: set[tuple[str, str]] = field(default_factory=set)  # path and name


class _Parser(HTMLParser):
    def __init__(self, source: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []  # where it is posted to, and its fields
        self.links: list[str] = []
        self._fields: dict[str, str] | None = None
        self._select = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if tag == "form" and known.get("method") == "post":
            self._fields = {}
            self.forms.append((known.get("action", ""), self._fields))
        elif tag == "a":
            self.links.append(known.get("href", ""))
        elif self._fields is not None and tag == "option":
            self._fields[self._select] = known.get("value", "")
        elif self._fields is not None and "name" in known:
            self._select = known["name"]
            self._fields[known["name"]] = known.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._fields = None


def posted(app: Quart) -> set[str]:
    """Every route that forms are posted to: not the API's operations."""
    return {
        rule.rule
        for rule, view in routes(app)
        if (rule.methods or set()) - SAFE_METHODS and not hasattr(view, "operation")
    }


def filled_in(route: str, ids: Mapping[str, object]) -> str:
    """An address of a route; fails for a route with a variable that has no value here."""

    def value(match: re.Match[str]) -> str:
        assert match[1] in ids, f"say what stands for {match[1]} in {route}"
        return str(ids[match[1]])

    path = re.sub("<id:([a-z_]+)>", value, route)
    assert "<" not in path, f"say what stands in {route}"
    return path


async def walk(app: Quart, browser: Browser, ids: Mapping[str, object]) -> Found:
    """Every form and link on every page that somebody may see."""
    found, adapter = Found(), app.url_map.bind("localhost")
    cookie = browser.cookie()
    headers = [("Cookie", f"readlog-session={cookie}")] if cookie else []
    for rule, view in routes(app):
        if "GET" not in (rule.methods or set()) or hasattr(view, "operation"):
            continue
        answer = await send(app, target=filled_in(rule.rule, ids), headers=headers)
        if answer.status != 200 or not answer.one("Content-Type").startswith("text/html"):
            continue
        parser = _Parser(answer.text)
        for action, fields in parser.forms:
            to, _ = adapter.match(action, "POST", return_rule=True)
            found.forms.setdefault(to.rule, {}).update(fields)
        for parts in map(urlsplit, parser.links):
            found.queries |= {(parts.path, name) for name in parse_qs(parts.query)}
    return found
