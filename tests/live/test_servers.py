"""Whichever server an operator runs it under, the service works; and says when it cannot."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.processes import running, wait_for
from tests.live.sockets import ask, post
from tests.servers import ROOT, free_port, gunicorn

EMAIL, PASSWORD = "reader@example.com", "a calm river in winter"
APP = "service.app:create_app"
BIND = "127.0.0.1:{port}"
SERVERS = {
    "hypercorn": ["-m", "hypercorn", "--bind", BIND, f"{APP}()"],
    "hypercorn_workers": ["-m", "hypercorn", "--workers", "2", "--bind", BIND, f"{APP}()"],
    "uvicorn": ["-m", "uvicorn", "--factory", "--port", "{port}", APP],
    "quart": ["-m", "quart", "--app", APP, "run", "--port", "{port}"],
}
WORKERS = ["service.server.worker.Worker", "uvicorn_worker.UvicornWorker"]

# The variable that is wrong, its value, and whether that is a secret.
WRONG = [
    ("CONFIG_TYPE", "prodution", False),
    ("DATABASE_URL", "mysql://reader:opensesame@127.0.0.1/books", True),
    ("SECRET_KEY", "", False),
    ("SECRET_KEY", "opensesame", True),
    ("PUBLIC_URL", "ftp://books.example.org", False),
    ("WEB_CONCURRENCY", "100", False),
    ("RATE_LIMITS", "off", False),
    ("PORT", "99999", False),
    ("METRICS_TOKEN", "opensesame", True),
]


async def use(url: str) -> None:
    """Somebody registers, adds a book and finds it."""
    alive = await ask(url)
    assert (alive.status, alive.body) == (200, b'{"status":"ok"}')
    fields = {"email": EMAIL, "password": PASSWORD, "confirm": PASSWORD}
    registered = await post(url, "/register", fields)
    assert registered.status == 303
    cookie = registered.cookies
    book = {"book_title": "Emma", "book_author": "Jane Austen", "book_rating": ""}
    assert (await post(url, "/books/add", book, cookie)).status == 303
    page = await ask(url, "GET", "/books/", f"Cookie: {cookie}")
    assert page.status == 200
    assert b"Jane Austen" in page.body
    assert (await ask(url, "GET", "/nowhere")).status == 404
    for answer in (alive, registered, page):
        assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("worker_class", WORKERS)
async def test_servers_gunicorn(environment: dict[str, str], worker_class: str) -> None:
    with gunicorn(environment, worker_class=worker_class) as server:
        await use(server.url)
        log = server.log()
    assert "Traceback" not in log


@pytest.mark.parametrize("name", SERVERS)
async def test_servers_others(environment: dict[str, str], tmp_path: Path, name: str) -> None:
    port, log_path = free_port(), tmp_path / "log"
    command = [sys.executable, *(part.format(port=port) for part in SERVERS[name])]
    environment["LOG_LEVEL"] = "debug"
    with running(command, environment, log_path) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(process, port, log_path)
        await use(url)
    log = log_path.read_text(errors="replace")
    assert "Traceback" not in log
    assert EMAIL not in log


@pytest.mark.parametrize(("variable", "value", "secret"), WRONG)
def test_servers_wrong_setting(variable: str, value: str, secret: bool) -> None:
    """gunicorn ends within ten seconds: exit code 2, and one line that names the variable."""
    environment = {
        "CONFIG_TYPE": "production",
        "SECRET_KEY": "x7Qm-2vLr9Tz_4kWp8Ny3Bc6Hd1Jf5Gs0Ua",
        "DATABASE_URL": "postgresql://reader@127.0.0.1:1/books",
        "PUBLIC_URL": "https://books.example.org",
        "PORT": str(free_port()),
    }
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn", "service.app:create_app()"],
        cwd=ROOT,
        env=environment | {variable: value},
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert done.returncode == 2
    [line] = (done.stdout + done.stderr).splitlines()
    assert line.startswith(f"{variable}: expected ")
    assert not secret or "opensesame" not in line
