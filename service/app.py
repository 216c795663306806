"""The application factory: a table of contents of what the service is made of."""

import sys

from quart import Quart

from service import api, auth, db, logs, telemetry
from service.api.polled_list import PolledList
from service.books.routes import blueprint as books
from service.cli import commands as cli
from service.config import ConfigurationError, Settings
from service.limits import rules as limits
from service.logs import RequestLog
from service.security.headers import SecurityHeaders
from service.server import background, readiness
from service.server.status import blueprint as status
from service.tokens.routes import blueprint as tokens
from service.users.change_routes import blueprint as changes
from service.users.routes import blueprint as users
from service.web import context, errors, flashes, guards, pages, routing
from service.web.connection import Application
from service.web.middleware import wrap
from service.web.overload import Overload


def create_app(settings: Settings | None = None) -> Quart:
    """Return the application, with settings from the environment unless they are given.

    A wrong setting ends the process with exit code 2 and one line that names the expected value.
    Connections are made only when serving has started.
    """
    settings = settings or _settings_from_env()
    app = Application(__name__, static_folder="static")

    logs.init_app(app, settings)
    context.init_app(app, settings)
    db.init_app(app, settings)
    readiness.init_app(app)
    errors.init_app(app, auth)
    flashes.init_app(app, settings)
    guards.init_app(app, settings)
    limits.init_app(app)
    routing.init_app(app)
    pages.init_app(app, settings)
    background.init_app(app)
    cli.init_app(app)

    app.register_blueprint(status)
    app.register_blueprint(users)
    app.register_blueprint(changes)
    app.register_blueprint(tokens)
    app.register_blueprint(books)
    api.init_app(app)

    # Middleware, the innermost first: it sees only what the others pass on.
    wrap(app, PolledList, app)
    wrap(app, Overload, app)
    wrap(app, RequestLog)
    telemetry.init_app(app, settings)
    wrap(app, SecurityHeaders, https=settings.secure_cookies)
    return app


def _settings_from_env() -> Settings:
    try:
        return Settings.from_env()
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
