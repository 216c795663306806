"""All metrics, with their names in Prometheus.

A single process keeps them in memory. Several processes write them to files in a shared folder, and
each can read the files of all.
"""

import time
from pathlib import Path
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.multiprocess import MultiProcessCollector

from service.asgi import ASGIApp, Receive, Scope, Send
from service.db import Pool
from service.security.passwords import PasswordHasher
from service.telemetry.labels import answer_of, method_of

# Seconds. A page takes a few milliseconds. A request above the last bucket has met a time-out.
BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

disable_created_metrics()  # an extra time series for each metric, which nobody reads


class Metrics:
    """The metrics of one application; /metrics shows those of `registry`.

    Requests are counted one by one; `sample` sets all other metrics to their present values.
    """

    def __init__(self, folder: Path | None) -> None:
        self.registry = CollectorRegistry()
        self._own = None if folder else self.registry
        if folder:
            MultiProcessCollector(self.registry, str(folder))
        self.in_flight = 0
        self._requests = Counter(
            "readlog_requests",
            "Requests that were answered.",
            ("route", "method", "status"),
            registry=self._own,
        )
        self._seconds = Histogram(
            "readlog_request_duration_seconds",
            "Time from a request's headers to the end of its answer.",
            ("route", "method"),
            buckets=BUCKETS,
            registry=self._own,
        )
        self._in_flight = self._gauge("readlog_requests_in_flight", "Requests under way.")
        self._workers = self._gauge("readlog_workers", "Processes that serve.")
        self._pool_size = self._gauge(
            "readlog_database_pool_size", "Connections to the database that are kept."
        )
        self._pool_checked_out = self._gauge(
            "readlog_database_pool_checked_out", "Connections to the database in use."
        )
        self._pool_overflow = self._gauge(
            "readlog_database_pool_overflow", "Connections beyond those that are kept."
        )
        self._pool_waiting = self._gauge(
            "readlog_database_pool_waiting", "Requests waiting for a connection to the database."
        )
        self._hashing_running = self._gauge(
            "readlog_password_hashing_running", "Passwords being hashed."
        )
        self._hashing_waiting = self._gauge(
            "readlog_password_hashing_waiting", "Passwords waiting to be hashed."
        )
        self._process = ProcessCollector(registry=None)
        self._process_cpu = Counter(
            "process_cpu_seconds", "Processor time that was taken.", registry=self._own
        )
        self._process_cpu_before = 0.0
        self._process_now = {
            "process_resident_memory_bytes": self._gauge(
                "process_resident_memory_bytes", "Memory, what processes share in each of them."
            ),
            "process_open_fds": self._gauge("process_open_fds", "Open file descriptors."),
            "process_start_time_seconds": self._gauge(
                "process_start_time_seconds", "When the newest process began.", "livemax"
            ),
        }

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)

    def sample(self, pool: Pool, hasher: PasswordHasher) -> None:
        """Set the metrics of this process to their present values."""
        self._workers.set(1)
        self._in_flight.set(self.in_flight)
        self._pool_size.set(pool.kept)
        self._pool_checked_out.set(pool.queue.in_use)
        self._pool_overflow.set(max(0, pool.queue.in_use - pool.kept))
        self._pool_waiting.set(pool.queue.waiting)
        self._hashing_running.set(hasher.threads.running)
        self._hashing_waiting.set(hasher.threads.waiting)
        for metric in self._process.collect():
            value = metric.samples[0].value
            if metric.name in self._process_now:
                self._process_now[metric.name].set(value)
            elif metric.name == "process_cpu_seconds":
                self._process_cpu.inc(value - self._process_cpu_before)
                self._process_cpu_before = value

    def _gauge(
        self, name: str, text: str, over_processes: Literal["livesum", "livemax"] = "livesum"
    ) -> Gauge:
        return Gauge(name, text, registry=self._own, multiprocess_mode=over_processes)


class RequestMetrics:
    """ASGI middleware: counts each request and the time it took."""

    def __init__(self, inner: ASGIApp, metrics: Metrics) -> None:
        self.inner = inner
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, and count the request with its time."""
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        started = time.perf_counter()
        self.metrics.in_flight += 1
        try:
            await self.inner(scope, receive, send)
        finally:
            self.metrics.in_flight -= 1
            route, status = answer_of(scope)
            seconds = time.perf_counter() - started
            self.metrics.count(route, method_of(scope), status, seconds)
