"""Renders pages: one Jinja environment, compiled once and run without awaiting.

Quart's own environment renders asynchronously, which makes each turn of a loop in a template
several times dearer; our templates never wait for anything.
"""

import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from quart import Quart, Response, current_app, g, get_flashed_messages
from werkzeug.urls import iri_to_uri

from service.config import Settings

_FOLDER = Path(__file__).parent
STATIC_FOLDER = _FOLDER / "static"
STATIC_MAX_AGE = 31_536_000  # seconds: a year, since an address changes with its content


def init_app(app: Quart, settings: Settings) -> None:
    """Make the environment, and give static files addresses that change with their content."""
    digests = {path.name: _digest(path) for path in STATIC_FOLDER.iterdir()}
    developing = settings.config_type == "development"
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = None if developing else STATIC_MAX_AGE
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
    environment.globals["release"] = settings.release
    app.extensions["pages"] = environment


def render(
    template: str, *, status: int = 200, section: str | None = None, **context: Any
) -> Response:
    """A page as an answer. Who is signed in shows only where the view has asked who it is."""
    environment: Environment = current_app.extensions["pages"]
    body = environment.get_template(template).render(
        user=g.get("user"),
        messages=get_flashed_messages(with_categories=True),
        section=section,
        status=status,
        **context,
    )
    return Response(body, status, content_type="text/html; charset=utf-8")


def redirect(location: str, status: int = 303) -> Response:
    """Send the browser on; with 303 it uses GET there, whatever this request's method was.

    `location` is an address of ours or one that `safe_next` let through.
    """
    return Response("", status, {"Location": iri_to_uri(location)})


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10]
