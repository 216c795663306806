"""gunicorn's settings, from the same variables as the service's own."""

import gc
import os
import signal
import sys
from typing import Any

from gunicorn.glogging import Logger

from service import logs
from service.config import ConfigurationError, Settings
from service.server import lean

try:
    _settings = Settings.from_env()
except ConfigurationError as error:
    # Here, in the master: a worker that cannot start would be started again for ever.
    print(error, file=sys.stderr)
    raise SystemExit(2) from None

bind = f"{_settings.host}:{_settings.port}"
workers = _settings.web_concurrency
worker_class = "service.server.worker.Worker"
loglevel = _settings.log_level
errorlog = "-"
accesslog = None  # service.logs writes one line for each request

# Imported once, in the master: workers are there at once, and share the memory of it. The
# application opens nothing before it serves.
preload_app = True
# Imports make next to no garbage, which would be looked for all the time.
gc.disable()
# With HTTP/2 and WebSockets a tenth of all that is imported. Quart has it for `quart run`.
lean.postpone("hypercorn.asyncio", "hypercorn.typing")

timeout = 60  # seconds without a sign of life; the event loop gives one every 30
graceful_timeout = _settings.shutdown_delay - 5
keepalive = 75  # seconds: longer than load balancers keep a connection, so that they close first
backlog = 2048

# A heartbeat file on a slow disk can stall a worker long enough to be killed for it.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108
control_socket_disable = True

if _settings.metrics_token:
    from service.telemetry.processes import make_folder

    make_folder(worker_tmp_dir)  # before the application is imported


def _leave(*_: object) -> None:
    # No exception: raised in the middle of a driver's work, it leaves others waiting for that.
    os._exit(0)


# Until gunicorn's own handlers are there. The first process of a container, for which the kernel
# does nothing by default, would not hear a SIGTERM before; a migration is rolled back by it.
if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
    signal.signal(signal.SIGTERM, _leave)


class _Logger(Logger):
    """gunicorn's own lines in our format: from the first one on, and after a SIGHUP."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        logs.configure(_settings)


logger_class = _Logger


def pre_fork(_server: Any, _worker: Any) -> None:
    """What is there before a fork is never garbage: to look at it would end the sharing of it."""
    gc.freeze()
    gc.enable()


def post_fork(server: Any, _worker: Any) -> None:
    """Before the worker has handlers of its own, a signal goes to its copy of the master's queue,
    which nobody reads: it would serve on until it is killed."""
    stops = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
    for stop in stops:
        signal.signal(stop, signal.SIG_DFL)
    while not server.SIG_QUEUE.empty():
        if server.SIG_QUEUE.get_nowait() in stops:
            raise SystemExit(0)


def child_exit(_server: Any, worker: Any) -> None:
    """In the master, whatever a worker ended by."""
    if _settings.metrics_token:
        from service.telemetry.processes import forget

        forget(worker.pid)


def on_starting(_server: Any) -> None:
    """Before there are listeners and workers."""
    from service.server.startup import prepare  # with a wrong setting, nothing of it is imported

    prepare(_settings)
