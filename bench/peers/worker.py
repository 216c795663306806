"""uvicorn's worker for gunicorn as the service has it, but for what the service changed in it."""

from typing import Any

from uvicorn_worker import UvicornWorker


class PlainWorker(UvicornWorker):
    """In the peers' favour: no time-outs of a request's headers, no grace when it stops."""

    CONFIG_KWARGS: dict[str, Any] = {  # noqa: RUF012 - the base class's form
        "loop": "uvloop",
        "http": "httptools",
        "ws": "none",
        "lifespan": "on",
        "proxy_headers": False,
        "server_header": False,
        "access_log": False,
    }
