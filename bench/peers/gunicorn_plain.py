"""gunicorn's defaults for peers; named so that the service's own gunicorn.conf.py is not read."""

loglevel = "warning"
control_socket_disable = True
