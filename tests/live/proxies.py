"""Reverse proxies in front of a server: nginx, Apache, and a small one that rewrites ETags.

nginx and Apache are the machine's own. Each runs as the current user on a free port, and keeps
all of its files in a folder that the caller gives.
"""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from tests.live.processes import running, wait_for
from tests.servers import free_port

SYSTEM = "/usr/sbin:/usr/local/sbin:/usr/local/bin"  # not on everybody's PATH
MODULES = ("/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/libexec/apache2")
NEEDED = ("mpm_event", "authz_core", "filter", "deflate", "brotli", "proxy", "proxy_http")
BUILT_IN = ("unixd",)  # with some systems a module, too
POLL = 0.01  # seconds between two looks whether the rewriting proxy is to end
TYPES = "application/json application/problem+json text/css"

# As the two are commonly set up to compress what a proxy passes on.
NGINX = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    gzip on;
    gzip_proxied any;
    gzip_min_length 1;
    gzip_types {types};
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass {target};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
        }}
    }}
}}
"""
APACHE = """\
ServerRoot {folder}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
Mutex file:{folder}
{modules}
User #{user}
Group #{group}
AddOutputFilterByType BROTLI_COMPRESS;DEFLATE {types}
ProxyPreserveHost On
ProxyPass / {target}/
"""


class ProxyMissingError(Exception):
    """The machine has no such program; the message says what is missing."""


@contextmanager
def nginx(target: str, folder: Path) -> Iterator[str]:
    """The URL of an nginx that compresses JSON. Raises ProxyMissingError."""
    program = _program("nginx")
    port, config = free_port(), folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, target=target, types=TYPES))
    command = [program, "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")]
    with _started(command, port, folder) as url:
        yield url


@contextmanager
def apache(target: str, folder: Path) -> Iterator[str]:
    """The URL of an Apache that compresses JSON, by brotli too. Raises ProxyMissingError."""
    program = _program("apache2", "httpd")
    port, config = free_port(), folder / "apache.conf"
    # Apache refuses to serve as root; started by root, its workers run as nobody.
    user, group = (65534, 65534) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    values = {"user": user, "group": group, "modules": _modules(), "types": TYPES}
    config.write_text(APACHE.format(folder=folder, port=port, target=target, **values))
    command = [program, "-D", "FOREGROUND", "-d", str(folder), "-f", str(config)]
    with _started(command, port, folder) as url:
        yield url


@contextmanager
def rewriting(target: str, form: Callable[[str], str]) -> Iterator[str]:
    """The URL of a proxy that makes another ETag of each and passes all else on."""
    handler = partial(_Rewriting, target=urlsplit(target).netloc, form=form)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(POLL,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Rewriting(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(
        self, *args: object, target: str, form: Callable[[str], str], **options: object
    ) -> None:
        self.target, self.form = target, form
        super().__init__(*args, **options)  # type: ignore[arg-type]

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        connection = HTTPConnection(self.target, timeout=30)
        try:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            self.send_header(name, self.form(value) if name.lower() == "etag" else value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815 - BaseHTTPRequestHandler's names


def _program(*names: str) -> str:
    path = f"{os.environ.get('PATH', os.defpath)}:{SYSTEM}"
    found = next((program for name in names if (program := shutil.which(name, path=path))), None)
    if found is None:
        raise ProxyMissingError(f"{' or '.join(names)} is not installed")
    return found


def _modules() -> str:
    """The lines that load what is needed."""
    for folder in map(Path, MODULES):
        files = {name: folder / f"mod_{name}.so" for name in (*NEEDED, *BUILT_IN)}
        if all(files[name].exists() for name in NEEDED):
            return "\n".join(
                f"LoadModule {name}_module {path}" for name, path in files.items() if path.exists()
            )
    raise ProxyMissingError(f"Apache's {', '.join(NEEDED)} are in none of {', '.join(MODULES)}")


@contextmanager
def _started(command: list[str], port: int, folder: Path) -> Iterator[str]:
    log = folder / "output.log"
    with running(command, {}, log) as process:
        wait_for(process, port, log)
        yield f"http://127.0.0.1:{port}"
