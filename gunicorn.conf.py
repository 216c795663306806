"""gunicorn's settings, read from the same variables as the service's settings."""

import gc
import os
import signal
import sys
from typing import Any

from gunicorn.glogging import Logger

from service import logs
from service.config import ConfigurationError, Settings
from service.server import lazy_imports

try:
    _settings = Settings.from_env()
except ConfigurationError as error:
    # Exit in the master: it would start a worker that fails again and again.
    print(error, file=sys.stderr)
    raise SystemExit(2) from None

bind = f"{_settings.host}:{_settings.port}"
workers = _settings.web_concurrency
worker_class = "service.server.worker.Worker"
loglevel = _settings.log_level
errorlog = "-"
accesslog = None  # service.logs writes one line for each request

# The master imports the application once: workers start fast and share its memory. Before serving,
# the application opens no file and no connection, which a fork would duplicate.
preload_app = True
# Imports make little garbage, so collecting it is a waste of time until the fork (decision 11).
gc.disable()
# Hypercorn with HTTP/2 and WebSockets is a tenth of all imports; only `quart run` uses it.
lazy_imports.postpone("hypercorn.asyncio", "hypercorn.typing")

timeout = 60  # seconds without a heartbeat; the event loop of a worker sends one every 30 s
graceful_timeout = _settings.shutdown_delay - 5  # seconds
keepalive = 75  # seconds: longer than load balancers keep a connection, so that they close first
backlog = 2048

# In memory: on a slow disk, writing the heartbeat file could take so long that a worker is killed.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108
control_socket_disable = True

if _settings.metrics_token:
    from service.telemetry.processes import make_folder

    make_folder(worker_tmp_dir)  # before the application is imported


def _leave(*_: object) -> None:
    # Not an exception: inside a driver's thread or callback, it could leave the process waiting.
    os._exit(0)


# A handler for SIGTERM until gunicorn installs its own: the kernel ignores SIGTERM for the first
# process of a container that has no handler. PostgreSQL rolls back a migration that this ends.
if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
    signal.signal(signal.SIGTERM, _leave)


class _Logger(Logger):
    """Writes gunicorn's own lines in our format, from the first line on and after a SIGHUP."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        logs.configure(_settings)


logger_class = _Logger


def pre_fork(_server: Any, _worker: Any) -> None:
    """Keep garbage collection away from present objects: it writes to them, and unshares memory."""
    gc.freeze()
    gc.enable()


def post_fork(server: Any, _worker: Any) -> None:
    """Let signals end the worker at once until it has handlers of its own.

    With the master's handlers, a signal would go to the worker's copy of the master's queue, which
    nobody reads, and the worker would go on serving until it is killed.
    """
    stops = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
    for stop in stops:
        signal.signal(stop, signal.SIG_DFL)
    while not server.SIG_QUEUE.empty():
        if server.SIG_QUEUE.get_nowait() in stops:
            raise SystemExit(0)


def child_exit(_server: Any, worker: Any) -> None:
    """Remove the worker's gauges. gunicorn calls this in the master after every end of a worker."""
    if _settings.metrics_token:
        from service.telemetry.processes import forget

        forget(worker.pid)


def on_starting(_server: Any) -> None:
    """Prepare the database before gunicorn listens and starts workers."""
    from service.server.startup import prepare  # here, so that a wrong setting is found faster

    prepare(_settings)
