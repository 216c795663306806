"""gunicorn's settings, from the same variables as the service's own."""

import os
import sys

from service.config import ConfigurationError, Settings

try:
    _settings = Settings.from_env()
except ConfigurationError as error:
    # Here, in the master: a worker that cannot start would be started again for ever.
    print(error, file=sys.stderr)
    raise SystemExit(2) from None

bind = f"{_settings.host}:{_settings.port}"
workers = _settings.web_concurrency
worker_class = "service.worker.Worker"
loglevel = _settings.log_level
errorlog = "-"

timeout = 120  # seconds: it counts a start on a tenth of a processor
graceful_timeout = 25  # seconds: the platform kills after 30
keepalive = 75  # seconds: longer than load balancers keep a connection, so that they close first
backlog = 2048

# A heartbeat file on a slow disk can stall a worker long enough to be killed for it.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108
control_socket_disable = True
