"""Readlog: people keep an account and the list of books they have read.

Start at `app`, a table of contents. Then follow one request: `server.worker` takes it in,
`web.connection` runs it, `logs` names it, `web.guards` let it in, `auth` says whose it is, a view
in `users.routes` or `books.routes` answers with the rules beside it, `db` reads and commits,
`web.pages` renders, and `web.errors` answers failures.

Each line imports only from the lines below it:

    __main__              the console script
    app                   the application
    server/               gunicorn's worker, its start, probes, and jobs in the background
    api/                  the JSON API; description/ is its OpenAPI document
    cli/                  the operator's commands; backup/ is one of them
    telemetry/            metrics and traces, where they are asked for
    users/ books/         rules, statements, shapes of input and pages of each domain
    tokens/               the same for access tokens
    auth/ limits/         who is signed in, and how often something may be done
    web/                  what every request meets: guards, pages, errors, addresses
    db/                   the database: connections, statements, and the meaning of its errors
    migrations/           the schema, and how a database comes to the newest one
    logs idempotency      log lines; requests and forms that may come twice
    security/             passwords, tokens, headers, client addresses; no SQL and no Quart
    models/ shapes        the tables; input checked against its shape
    text/ threads asgi    texts of people; work beside the event loop; types
    config/ exceptions    what operators set; refusals
"""

__version__ = "0.1.0"
