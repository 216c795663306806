"""What is asked for of metrics and traces: OpenTelemetry's own variables, and a token of ours."""

import re
from pathlib import Path

from service.config.environment import ConfigurationError, Environment

TOKEN_MIN_LENGTH = 16  # characters; what 64 random bits take in hexadecimal


def metrics_token(env: Environment) -> str | None:
    """What /metrics is to be asked with; without it, there is no such address."""
    token = env.text("METRICS_TOKEN")
    if token is not None and not re.fullmatch(rf"[!-~]{{{TOKEN_MIN_LENGTH},}}", token):
        raise ConfigurationError(
            "METRICS_TOKEN",
            f"{TOKEN_MIN_LENGTH} random ASCII characters or more, without blanks between them",
        )
    return token


def metrics_folder(env: Environment) -> Path | None:
    """Where the processes of one server put their metrics; None, each tells its own only."""
    text = env.text("PROMETHEUS_MULTIPROC_DIR")
    if text is None or env.text("METRICS_TOKEN") is None:
        return None
    if not Path(text).is_dir():
        raise ConfigurationError("PROMETHEUS_MULTIPROC_DIR", "a folder that exists")
    return Path(text)


def trace_exporters(env: Environment) -> tuple[str, ...]:
    """The exporters by the names they are installed under; empty where nobody asks for traces."""
    if (env.text("OTEL_SDK_DISABLED") or "").lower() == "true":
        return ()
    names = env.items("OTEL_TRACES_EXPORTER")
    if not names and _for_traces(env, "ENDPOINT"):
        names = ("otlp",)
    # Its own default is gRPC, for which it would need another package.
    protocol = _for_traces(env, "PROTOCOL") or "http/protobuf"
    otlp = f"otlp_proto_{protocol.removesuffix('/protobuf')}"
    return tuple(otlp if name == "otlp" else name for name in names if name != "none")


def _for_traces(env: Environment, name: str) -> str | None:
    return env.text(f"OTEL_EXPORTER_OTLP_TRACES_{name}") or env.text(f"OTEL_EXPORTER_OTLP_{name}")
