"""Settings of metrics and traces: METRICS_TOKEN, and variables of the libraries."""

import re
from pathlib import Path

from service.config.environment import ConfigurationError, Environment

TOKEN_MIN_LENGTH = 16  # characters; 64 random bits in hexadecimal


def metrics_token(env: Environment) -> str | None:
    """Return the token that /metrics requires, or None: then /metrics does not exist.

    Raises ConfigurationError for a token that is too short or has blanks.
    """
    token = env.text("METRICS_TOKEN")
    if token is not None and not re.fullmatch(rf"[!-~]{{{TOKEN_MIN_LENGTH},}}", token):
        raise ConfigurationError(
            "METRICS_TOKEN",
            f"{TOKEN_MIN_LENGTH} random ASCII characters or more, without blanks between them",
        )
    return token


def metrics_folder(env: Environment) -> Path | None:
    """Return the folder in which the processes of one server share their metrics.

    If it is None, each process reports its own metrics only. Raises ConfigurationError for a
    folder that does not exist.
    """
    text = env.text("PROMETHEUS_MULTIPROC_DIR")
    if text is None or env.text("METRICS_TOKEN") is None:
        return None
    if not Path(text).is_dir():
        raise ConfigurationError("PROMETHEUS_MULTIPROC_DIR", "a folder that exists")
    return Path(text)


def trace_exporters(env: Environment) -> tuple[str, ...]:
    """Return the names of the exporters' entry points; empty if no variable asks for traces."""
    if (env.text("OTEL_SDK_DISABLED") or "").lower() == "true":
        return ()
    names = env.items("OTEL_TRACES_EXPORTER")
    if not names and _for_traces(env, "ENDPOINT"):
        names = ("otlp",)
    # The SDK's default for "otlp" is gRPC, which needs another package.
    protocol = _for_traces(env, "PROTOCOL") or "http/protobuf"
    otlp = f"otlp_proto_{protocol.removesuffix('/protobuf')}"
    return tuple(otlp if name == "otlp" else name for name in names if name != "none")


def _for_traces(env: Environment, name: str) -> str | None:
    return env.text(f"OTEL_EXPORTER_OTLP_TRACES_{name}") or env.text(f"OTEL_EXPORTER_OTLP_{name}")
