"""Render pages with one synchronous Jinja environment: decision 4.

Quart's own environment is asynchronous, which makes each turn of a loop in a template several
times slower. Our templates await nothing.
"""

import hashlib
from collections.abc import Hashable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, LiteralString

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape
from quart import Quart, Request, Response, current_app, g, get_flashed_messages, request
from werkzeug.urls import iri_to_uri

from service.config import Settings
from service.security.tokens import is_token, new_token
from service.text.bidi import balanced, isolated
from service.text.visible import visible_or
from service.web.etags import is_known

_FOLDER = Path(__file__).parents[1]
STATIC_FOLDER = _FOLDER / "static"
# Seconds. One year if `?v=` is the digest of the file, else 5 minutes: during a deploy the old
# release may be asked for files of the new one, and a cache must not keep its answer for long.
STATIC_MAX_AGE = 31_536_000
OTHER_MAX_AGE = 300


def init_app(app: Quart, settings: Settings) -> None:
    """Make the environment, and give static files URLs that change with their content."""
    digests = {path.name: _digest(path) for path in STATIC_FOLDER.iterdir()}
    developing = settings.config_type == "development"

    def max_age(filename: str | None) -> int:
        named = request.args.get("v") == digests.get(Path(filename or "").name, "")
        return STATIC_MAX_AGE if named and not developing else OTHER_MAX_AGE

    app.get_send_file_max_age = max_age  # type: ignore[method-assign]
    app.response_class = FileResponse
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=developing,
        cache_size=-1,
    )
    environment.globals["asset"] = lambda name: f"/static/{name}?v={digests[name]}"
    environment.filters["visible_or"] = visible_or
    environment.filters["bdi"] = bdi
    environment.filters["isolated"] = isolated
    environment.globals["form_key_of"] = _form_key_of
    environment.globals["release"] = settings.release
    app.extensions["pages"] = environment


class FileResponse(Response):
    """The response class for files. It accepts an ETag that a proxy has changed (decision 17)."""

    async def make_conditional(
        self,
        request: Request,
        accept_ranges: bool | str = False,
        complete_length: int | None = None,
    ) -> Response:
        """Become a 304 if the client has the file. Werkzeug alone compares whole tags only."""
        if _asks_for_the_end(request):
            complete_length = None  # Quart fails there; a server may ignore any range
        await super().make_conditional(request, accept_ranges, complete_length)
        if self.status_code == 200 and is_known(
            request.headers.get("If-None-Match"), self.headers["ETag"]
        ):
            self.status_code = 304
            self.set_data(b"")
            del self.content_length
        return self


def render(
    template: str, *, status: int = 200, section: str | None = None, **context: Any
) -> Response:
    """Return a page as an answer.

    If the view did not look up the signed-in person, the page shows neither the links of a
    signed-in person nor those of a stranger. `section` is the current item of the navigation.
    """
    body = _render(
        current_app,
        template,
        user=g.get("user"),
        user_is_known="user" in g,
        # Each message once: the two requests of a double click leave the same one twice.
        messages=dict.fromkeys(map(tuple, get_flashed_messages(with_categories=True))),
        section=section,
        status=status,
        **context,
    )
    return Response(body, status, content_type="text/html; charset=utf-8")


@lru_cache(maxsize=32)
def render_alone(app: Quart, template: str, **context: Hashable) -> str:
    """Return a page without a request of Quart. It suits signed-in people and strangers alike.

    Cached: a busy service refuses a thousand requests a second with one and the same page.
    """
    return _render(
        app, template, user=None, user_is_known=False, messages={}, section=None, **context
    )


def render_part(template: str, **context: Any) -> Markup:
    """Return a part of a page that is the same for all requests, so that it can be cached."""
    return Markup(_render(current_app, template, **context))  # noqa: S704 - escaped there


def bdi(text: str) -> Markup:
    """Return a person's text as a `<bdi>` element, which isolates its writing direction.

    In attributes and in `<title>` use the filter `isolated`. The text is balanced as well: in
    Chromium, an unpaired U+2066 in the element works beyond its end, and an unpaired U+2069 ends
    the isolation too early.
    """
    return Markup(f"<bdi>{escape(balanced(text))}</bdi>")  # noqa: S704 - escaped here


def sentence(words: LiteralString, *texts: str) -> Markup:
    """Return a sentence for a page, such as "Added {}!", with people's texts in its places."""
    return Markup(words).format(*map(bdi, texts))  # noqa: S704 - `words` is a literal


def redirect(location: str, status: int = 303) -> Response:
    """Return a redirect. With status 303 the browser uses GET, whatever this request's method was.

    `location` must be a path of this service, or come from `security.redirects.local_path`.
    """
    return Response("", status, {"Location": iri_to_uri(location)})


def _render(app: Quart, template: str, **context: Any) -> str:
    environment: Environment = app.extensions["pages"]
    return environment.get_template(template).render(**context)


def _asks_for_the_end(request: Request) -> bool:
    """Return whether the request asks for the last bytes of a file: `Range: bytes=-5`."""
    return request.range is not None and any(begin < 0 for begin, _ in request.range.ranges)


def _form_key_of(values: Mapping[str, object]) -> str:
    """Return the key of a form that is shown again, or a new key: see `service.web.submissions`."""
    key = values.get("form")
    return key if isinstance(key, str) and is_token(key) else new_token()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10]
