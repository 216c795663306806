"""The page that shows the OpenAPI document to people: /api/docs."""

import json
from typing import Any

from markupsafe import Markup
from quart import Blueprint, Response, current_app

from service.api.description import openapi
from service.auth import current_user, public
from service.limits.rules import unlimited
from service.security.headers import CONTENT_SECURITY_POLICY_WITH_SCRIPTS
from service.web import pages
from service.web.routing import API_DOCS

blueprint = Blueprint("api_docs", __name__, url_prefix=API_DOCS)


@blueprint.get("")
@public
@unlimited("one statement, and a page that is kept")
async def show_docs() -> Response:
    """Show all operations and shapes. Signed-in people can also send requests.

    Reading needs no script. The one script sends the requests, and comes from this site.
    """
    user = await current_user()
    response = pages.render(
        "api/docs.html",
        section="api",
        document=openapi.document(),
        reference=_reference(trying=user is not None),
    )
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY_WITH_SCRIPTS
    return response


def _reference(*, trying: bool) -> Markup:
    """Return the rendered operations and shapes, with or without the forms that send requests.

    Rendering takes long, so that both variants are cached.
    """
    kept: dict[bool, Markup] = current_app.extensions.setdefault("docs", {})
    if trying not in kept:
        document = openapi.document()
        kept[trying] = pages.render_part(
            "api/reference.html",
            document=document,
            groups=_groups(document),
            resolve=lambda answer: _resolved(document, answer),
            pretty=lambda value: json.dumps(value, indent=2, ensure_ascii=False),
            trying=trying,
        )
    return kept[trying]


def _groups(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the operations grouped by their tags."""
    found = [
        {"method": method.upper(), "path": path, **described}
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    ]
    return [
        {**tag, "operations": [each for each in found if tag["name"] in each["tags"]]}
        for tag in document["tags"]
    ]


def _resolved(document: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer, or the component that it refers to."""
    if "$ref" not in answer:
        return answer
    name = answer["$ref"].rpartition("/")[2]
    found: dict[str, Any] = document["components"]["responses"][name]
    return found
