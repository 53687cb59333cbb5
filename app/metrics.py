"""What Prometheus is told: the requests of this process, and the jobs of all processes as the store counts them."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from worker.contract.errors import StoreUnavailable
from worker.store.desk import Desk

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_EVENTS = ("created", "reused", "succeeded", "failed", "cancelled", "resent", "handed_back", "leases_expired", "fenced")
_OUTCOMES = ("certified", "vacuous", "unproven")


class Metrics(Collector):
    """One per process. Labels are route templates, methods and states: never what a client can make up."""

    def __init__(self, store: Desk, max_queue: int) -> None:
        self._store = store
        self._max_queue = max_queue
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter("surety_requests", "Requests answered", labels, registry=self._registry)
        self._seconds = Histogram(
            "surety_request_seconds",
            "Seconds until the answer began",
            ("method", "route"),
            registry=self._registry,
            buckets=_SECONDS,
        )
        self._registry.register(self)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request was answered. `route` is the template, "" where no route matched."""
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self._registry)

    def describe(self) -> Iterator[Metric]:
        """Nothing: a registry that asked `collect` at registration would need the store at start."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The store's part; with the store away only that it is."""
        try:
            stats, backlog, workers = self._store.stats(), self._store.backlog(), len(self._store.workers())
        except StoreUnavailable:
            yield GaugeMetricFamily("surety_store_up", "Whether the job store answers", 0)
            return
        yield GaugeMetricFamily("surety_store_up", "Whether the job store answers", 1)
        yield GaugeMetricFamily("surety_workers", "Workers seen of late", workers)
        yield GaugeMetricFamily("surety_jobs_queued", "Jobs that wait", backlog.queued)
        yield GaugeMetricFamily("surety_jobs_running", "Jobs that run", backlog.running)
        yield GaugeMetricFamily("surety_queue_limit", "Unfinished jobs this service allows", self._max_queue)
        yield GaugeMetricFamily("surety_oldest_queued_seconds", "Age of the oldest queued job", backlog.oldest_seconds)
        yield CounterMetricFamily("surety_samples", "Noisy images explained", stats.get("samples", 0))
        jobs = CounterMetricFamily("surety_jobs", "What happened to jobs", labels=("event",))
        for event in _EVENTS:
            jobs.add_metric((event,), stats.get(event, 0))
        yield jobs
        outcomes = CounterMetricFamily("surety_outcomes", "Values at a radius, by outcome", labels=("outcome",))
        for outcome in _OUTCOMES:
            outcomes.add_metric((outcome,), stats.get(f"outcome_{outcome}", 0))
        yield outcomes
        hooks = CounterMetricFamily("surety_webhooks", "Webhooks that were told, or given up", labels=("event",))
        for event in ("sent", "failed"):
            hooks.add_metric((event,), stats.get(f"webhooks_{event}", 0))
        yield hooks
        stored = CounterMetricFamily("surety_stored", "Results that an archive took, or never will", labels=("event",))
        stored.add_metric(("stored",), stats.get("results_stored", 0))
        stored.add_metric(("failed",), stats.get("results_not_stored", 0))
        yield stored
