"""Readlog: people keep an account and the list of books they have read.

Start reading at `app`, a table of contents; then follow one request: `asgi` runs it, `logs` names
it, `guards` lets it in, `auth` says whose it is, a view in `users.routes` or `books.routes` answers
it with the rules beside it, `db` reads and commits, `pages` renders, `errors` answers what failed.

    app, __main__         the application, and its commands
    users/, books/        rules, statements, forms and pages of each domain; they do not know
                          each other
    status, readiness,    probes, and what runs beside requests
    housekeeping
    telemetry/            metrics and traces, where they are asked for
    worker, startup       gunicorn's worker, and what its master does first;
    lean                  what a start leaves out
    cli, checks, backup/  the operator's commands
    auth/, limiting       who it is, and how often they may
    guards, errors        before and after the views
    pages, flashes        what people see
    db, statements,       the database;
    pooling, connecting,  schema/ brings it to its newest revision,
    failures              failures says what its errors mean
    forms                 checks input against shapes
    security/, models/    know nothing of the above
    config/               what operators set
"""

__version__ = "0.1.0"
