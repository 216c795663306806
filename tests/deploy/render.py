"""What Render does with a blueprint's web service, as far as one machine can."""

import base64
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploy.blueprints import FREE, ROOT, load, variables, web_service

HOST = "readlog-x7k2.onrender.com"
BUILD_TIMEOUT = 300  # seconds

# Set for every service of the Python runtime; the blueprint's own come after them.
PRESET = {
    "RENDER": "true",
    "RENDER_SERVICE_TYPE": "web",
    "RENDER_SERVICE_NAME": "readlog",
    "RENDER_EXTERNAL_HOSTNAME": HOST,
    "RENDER_EXTERNAL_URL": f"https://{HOST}",
    "RENDER_WEB_CONCURRENCY": "1",
    "IS_PULL_REQUEST": "false",
    "GUNICORN_CMD_ARGS": "--preload --access-logfile - --bind=0.0.0.0:10000",
    "FORWARDED_ALLOW_IPS": "*",
}
# What the proxy tells of a client, who began the list with an address that is not his.
PROXY = [
    f"Host: {HOST}",
    "X-Forwarded-Proto: https",
    "X-Forwarded-For: 6.6.6.6, 192.0.2.7, 172.71.1.1",
    "CF-Connecting-IP: 192.0.2.7",
]


@dataclass(frozen=True)
class Site:
    """The service that a blueprint describes, and what Render made for it once."""

    service: dict[str, Any]
    database_url: str
    secret: str

    @classmethod
    def of(cls, database_url: str) -> "Site":
        service = web_service(load(FREE))
        return cls(service, database_url, base64.b64encode(secrets.token_bytes(32)).decode())

    def environment(self, checkout: Path, port: int, commit: str) -> dict[str, str]:
        """Everything that a release is started with."""
        own = {name: self._value(entry) for name, entry in variables(self.service).items()}
        rest = {"PORT": str(port), "RENDER_GIT_COMMIT": commit, "HOME": str(checkout)}
        return PRESET | rest | _activated(checkout, os.environ["PATH"]) | own

    def build(self, checkout: Path) -> None:
        """The build command, in an environment that has pip and nothing else."""
        subprocess.run([sys.executable, "-m", "venv", checkout / ".venv"], check=True)
        # With pip's own variables: where packages come from is for whoever runs this to say.
        environment = dict(os.environ) | _activated(checkout, os.environ["PATH"]) | {"CI": "true"}
        for name in ("PYTHONPATH", "VIRTUAL_ENV"):
            environment.pop(name, None)
        command = self.service["buildCommand"]
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=checkout,
            env=environment,
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @property
    def start(self) -> list[str]:
        return shlex.split(self.service["startCommand"])

    def _value(self, entry: dict[str, Any]) -> str:
        if entry.get("generateValue"):
            return self.secret
        if "fromDatabase" in entry:
            return self.database_url
        return str(entry["value"])


def check_out(target: Path) -> Path:
    """A clone, with what has changed since in files that git knows: a commit would hold the same.

    A file that was never added is not deployed, and not here. An archive of the sources has no
    repository: of that, a copy of everything that .gitignore does not name.
    """
    if (ROOT / ".git").exists():
        _git(target.parent, "clone", "--quiet", str(ROOT), str(target))
        if changes := _git(ROOT, "diff", "--binary", "HEAD"):
            _git(target, "apply", "--whitespace=nowarn", stdin=changes)
        return target
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text("utf-8").splitlines()]
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(*filter(None, ignored)))
    return target


def _git(folder: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """Run git with no configuration of the person's, and where somebody else owns the files."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with tempfile.NamedTemporaryFile("w") as configuration:
        configuration.write("[safe]\n\tdirectory = *\n")
        configuration.flush()
        environment |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": configuration.name}
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            env=environment,
            input=stdin,
            capture_output=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def _activated(checkout: Path, path: str) -> dict[str, str]:
    """On Render the environment is named by VENV_ROOT and stands first in PATH."""
    venv = checkout / ".venv"
    return {"VENV_ROOT": str(venv), "PATH": f"{venv}/bin:{path}"}
