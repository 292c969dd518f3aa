"""Counters for Prometheus: how many requests, how long, how full. Never what was in them."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from phnet.web.pool import Pool

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DESCRIBED = {"schema": {"type": "string"}, "example": "phnet_places_taken 2.0\n"}  # for OpenAPI
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")  # others are "other"
SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)


class Counters:
    """The counters of one application."""

    def __init__(self, pool: Pool) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "phnet_requests",
            "Requests, by route and status.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "phnet_request_seconds",
            "From a request's head to its whole answer.",
            ["route"],
            buckets=SECONDS,
            registry=self._registry,
        )
        taken = Gauge(
            "phnet_places_taken",
            "Requests that are worked on or wait for a worker.",
            registry=self._registry,
        )
        taken.set_function(lambda: pool.taken)
        pixels = Gauge(
            "phnet_pixels_held",
            "Pixels of the pictures that are worked on.",
            registry=self._registry,
        )
        pixels.set_function(lambda: pool.pixels.held)
        held = Gauge(
            "phnet_bytes_held",
            "Bytes of requests that are here, and of answers that are not read yet.",
            registry=self._registry,
        )
        held.set_function(lambda: pool.bytes)
        killed = Gauge(
            "phnet_workers_killed",
            "Worker processes that took too long or crashed, so far.",
            registry=self._registry,
        )
        killed.set_function(lambda: pool.killed)

        ready = Gauge(
            "phnet_workers_ready",
            "Worker processes that can answer.",
            registry=self._registry,
        )
        ready.set_function(lambda: pool.ready)

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request; an invented method makes no label of its own."""
        method = method if method in METHODS or method == "-" else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)
