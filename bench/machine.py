"""The facts of the machine and the versions, without which figures say nothing."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from bench.processor import cores

LIBRARIES = (
    "quart",
    "fastapi",
    "pydantic",
    "uvicorn",
    "uvloop",
    "httptools",
    "asyncpg",
    "sqlalchemy",
    "jinja2",
    "msgspec",
    "gunicorn",
    "flask",
    "flask-sqlalchemy",
    "psycopg2-binary",
)


def facts() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cores": cores(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "wrk": _wrk(),
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _wrk() -> str:
    """The first line of `wrk --version`, which is "wrk", the version and more."""
    told = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False)
    return " ".join((told.stdout + told.stderr).split()[1:2])
