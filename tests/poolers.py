"""A real PgBouncer in front of a database; what needs one is skipped where there is none."""

import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.servers import basic_environment, free_port, running, unprivileged, wait_until

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
needs_pgbouncer = pytest.mark.skipif(
    PROGRAM is None, reason="pgbouncer is not installed (Debian: apt install pgbouncer)"
)

# The settings of our sessions that PgBouncer has no notion of.
OURS = ("jit", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
SETTINGS = """
[databases]
* = host={host} port={port} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
ignore_startup_parameters = {ignored}
"""


@contextmanager
def pgbouncer(url: str, mode: str, ignored: Sequence[str] = OURS) -> Iterator[str]:
    """Yields the URL of the same database through a pooler of this mode."""
    assert PROGRAM is not None
    there, listen = make_url(url), free_port()
    folder = Path(tempfile.mkdtemp(prefix="readlog-pgbouncer-", dir="/tmp"))
    try:
        owner = unprivileged(folder)
        settings = folder / "pgbouncer.ini"
        settings.write_text(
            SETTINGS.format(
                host=there.host,
                port=there.port,
                user=there.username,
                password=there.password,
                listen=listen,
                mode=mode,
                ignored=", ".join((*ignored, "extra_float_digits")),
            )
        )
        settings.chmod(0o644)  # the folder itself is closed to others
        log = folder / "log"
        options = {"cwd": folder, "env": basic_environment({}), **owner}
        with running([PROGRAM, str(settings)], log, signal.SIGINT, **options) as process:
            wait_until(process, log, lambda: _listens(listen))
            yield there.set(host="127.0.0.1", port=listen).render_as_string(hide_password=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
