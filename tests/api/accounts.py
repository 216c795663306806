"""Accounts on a live server, made as anybody makes them."""

import json
import secrets
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from service.users.forms import SCOPES
from tests.people import PASSWORD
from tests.wire import FORM

COOKIE = "readlog-session"


def register(url: str) -> str:
    """The address of somebody new, whose password is PASSWORD."""
    email = f"reader-{secrets.token_hex(4)}@example.com"
    _post(f"{url}/api/v1/users", {"email": email, "password": PASSWORD})
    return email


def add_token(url: str) -> str:
    """The token of somebody new, which may do everything that a token may."""
    wish = {"email": register(url), "password": PASSWORD, "name": "a program", "scopes": SCOPES}
    token: str = json.loads(_post(f"{url}/api/v1/tokens", wish)[1])["token"]
    return token


def add_session(url: str) -> str:
    """The cookie of somebody new, who has signed in on the page."""
    form = urlencode({"email": register(url), "password": PASSWORD})
    headers, _ = _post(f"{url}/login", form, {"Content-Type": FORM, "Origin": url})
    return next(
        value.split(";")[0]
        for name, value in headers
        if name.lower() == "set-cookie" and value.startswith(f"{COOKIE}=")
    )


def _post(
    url: str, body: Any, headers: dict[str, str] | None = None
) -> tuple[list[tuple[str, str]], bytes]:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=30)
    data = body if isinstance(body, str) else json.dumps(body)
    try:
        connection.request(
            "POST", parts.path, data.encode(), headers or {"Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        assert answer.status < 400, answer.read()
        return answer.getheaders(), answer.read()
    finally:
        connection.close()
