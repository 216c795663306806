"""What is not asked for is not there: no import, no middleware, no line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT
from tests.telemetry.exposition import TOKEN

# Serves a request, then tells which of the libraries are there and what is around the application.
SERVE = """
import asyncio, sys
from service.app import create_app

async def serve():
    app = create_app()
    async with app.test_app():
        assert (await app.test_client().get("/livez")).status_code == 200
    layers, layer = [], app.asgi_app
    while hasattr(layer, "inner"):
        layers.append(type(layer).__name__)
        layer = layer.inner
    print(*layers)

asyncio.run(serve())
there = {name.split(".")[0] for name in sys.modules}
print(*sorted(there & {"prometheus_client", "opentelemetry"}))
"""
LAYERS = "RequestLog Overload PolledList"
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


def serve(folder: Path, code: str = SERVE, **variables: str) -> tuple[list[str], list[str]]:
    """Two lines of what is there, and the lines of the log."""
    basic = {"CONFIG_TYPE": "testing", "DATABASE_URL": f"sqlite:///{folder}/app.db"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **basic, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.splitlines(), done.stderr.splitlines()


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"PROMETHEUS_MULTIPROC_DIR": "/nowhere"},
        {**ENDPOINT, "OTEL_SDK_DISABLED": "true"},
        {**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_SERVICE_NAME": "readlog"},
    ],
    ids=str,
)
def test_nothing_is_asked_for(tmp_path: Path, variables: dict[str, str]) -> None:
    """Nothing of their libraries is imported, and no middleware of theirs is there."""
    assert serve(tmp_path, **variables) == (
        [f"SecurityHeaders {LAYERS}", ""],
        [],
    )


def test_metrics_alone(tmp_path: Path) -> None:
    there, log = serve(tmp_path, METRICS_TOKEN=TOKEN)
    assert there == [
        f"SecurityHeaders RequestMetrics {LAYERS}",
        "prometheus_client",
    ]
    assert log == []


def test_traces_alone(tmp_path: Path) -> None:
    there, _ = serve(tmp_path, **ENDPOINT, OTEL_EXPORTER_OTLP_TIMEOUT="0.1")
    assert there == [f"SecurityHeaders RequestSpans {LAYERS}", "opentelemetry"]


@pytest.mark.parametrize(
    "missing", ["opentelemetry", "opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"]
)
def test_packages_are_missing(tmp_path: Path, missing: str) -> None:
    """Traces are asked for, and cannot be had: one line says so, and people are served."""
    code = f"import sys; sys.modules[{missing!r}] = None\n{SERVE}"
    there, [line] = serve(tmp_path, code, **ENDPOINT)
    assert there[0] == f"SecurityHeaders {LAYERS}"
    assert line.startswith("WARNING ")
    assert missing in line
    assert "requirements-telemetry.txt" in line
