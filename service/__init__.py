"""Readlog: people keep an account and the list of books they have read.

Start at `app`, a table of contents. Then follow one request: `server.worker` receives it,
`web.connection` runs it, `logs` gives it an id, `web.guards` allow it, `auth` finds its user, a
view in `users.routes` or `books.routes` calls the rules beside it, `db` reads and commits,
`web.pages` renders the page, and `web.errors` answers failures.

Each line imports only from the lines below it:

    __main__              the console script
    app                   the application
    server/               gunicorn's worker, its start, probes, and jobs in the background
    api/                  the JSON API; description/ is its OpenAPI document
    cli/                  the operator's commands; backup/ is one of them
    telemetry/            metrics and traces, if they are switched on
    users/ books/         rules, statements, shapes of input and pages of each domain
    tokens/               the same for access tokens
    auth/ limits/         the signed-in user; limits on how often an action is allowed
    web/                  parts of every request: guards, pages, errors, addresses
    db/                   the database: connections, statements, and the meaning of its errors
    migrations/           the schema, and the way of a database to its newest revision
    logs idempotency      log lines; requests and forms that are sent twice
    security/             passwords, tokens, headers, client addresses; no SQL and no Quart
    models/ validation    the tables; input checked against its shape
    text/ threads asgi    visible and safe texts; threads beside the event loop; types of ASGI
    config/ exceptions    settings; refusals
"""

__version__ = "0.1.0"
