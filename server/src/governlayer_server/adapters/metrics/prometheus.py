"""
Figures for Prometheus, in a registry of their own: nothing global, so that two appliances in one process stay apart.

A label is a route's template, a known method, a status, or the name of a component: never a path, an id, or anything
that a customer sent. So the number of series is bounded, and scraping tells nothing about any organization.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from governlayer_server.domain.times import SECOND_US

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_OTHER = "other"
# Seconds. A decision takes single milliseconds; the deadline of an answer is 7 s (web/deadline.py).
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 7.5)
Components = Callable[[], Awaitable[Mapping[str, bool]]]


class PrometheusMetrics:
    """
    Counts requests, and tells the figures that it was given callbacks for.

    Args:
        version: of the appliance; the label of ``governlayer_build_info``.
        components: asked at each exposition; name of a component → whether it works.
    """

    def __init__(self, version: str, components: Components) -> None:
        self._registry = CollectorRegistry()
        self._components = components
        self._requests = Counter(
            "governlayer_http_requests",
            "Requests answered, by template of the route (empty: none), method and status.",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "governlayer_http_request_duration_seconds",
            "Time from the head of a request to the end of its answer, by template of the route (empty: none).",
            ("route",),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._up = Gauge(
            "governlayer_component_up",
            "Whether a part that decisions need works (1) or not (0), as /readyz says it.",
            ("component",),
            registry=self._registry,
        )
        Info("governlayer_build", "What runs.", registry=self._registry).info({"version": version})
        ProcessCollector(registry=self._registry)

    def measure(self, route: str, method: str, status: int, latency_us: int) -> None:
        """
        Count one request.

        Args:
            route: the template, such as ``/v1/ledger/records/{seq}``; empty when no route was reached.
            method: counted as ``other`` unless it is a usual one; empty when there was no request to speak of.
            status: 100 to 599; 0 when the client left before it was answered.
            latency_us: microseconds, not negative.
        """
        known = method if method in METHODS or not method else _OTHER
        self._requests.labels(route, known, str(status)).inc()
        self._seconds.labels(route).observe(latency_us / SECOND_US)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """
        Show the figure that *read* returns, from now on, as ``governlayer_<name>``.

        Args:
            name: ``[a-z0-9_]+`` with the unit at its end; each one once.
            text: what it says, one line.
            read: asked at each exposition, quick and without waiting; where it fails the figure is ``NaN``.

        Raises:
            ValueError: there is a figure of this name already.
        """
        Gauge(f"governlayer_{name}", text, registry=self._registry).set_function(_safely(read))

    def gauges(self, name: str, text: str, label: str, reads: Mapping[str, Callable[[], float]]) -> None:
        """
        Show one figure for each of *reads*, by the value of *label*, as ``governlayer_<name>``.

        Args:
            name: as for ``gauge``.
            text: what it says, one line.
            label: ``[a-z_]+``.
            reads: by value of the label, which is the operator's word; asked as in ``gauge``.
        """
        gauge = Gauge(f"governlayer_{name}", text, (label,), registry=self._registry)
        for value, read in reads.items():
            gauge.labels(value).set_function(_safely(read))

    def count(self, name: str, text: str, read: Callable[[], int]) -> None:
        """Show what *read* has counted since the start, as ``governlayer_<name>_total``; otherwise as ``gauge``."""
        self._registry.register(_Counted(f"governlayer_{name}", text, None, lambda: {"": read()}))

    def counts(self, name: str, text: str, label: str, read: Callable[[], Mapping[str, int]]) -> None:
        """Show what *read* has counted, by value of *label*, whose values are few and ours; otherwise as ``count``."""
        self._registry.register(_Counted(f"governlayer_{name}", text, label, read))

    def summary(self, name: str, text: str, read: Callable[[], tuple[int, float]]) -> None:
        """Show how often something happened and the sum of what it took, as ``…_count`` and ``…_sum``."""
        self._registry.register(_Summed(f"governlayer_{name}", text, read))

    async def exposition(self) -> bytes:
        """Return all figures in Prometheus' text format 0.0.4, UTF-8."""
        for name, works in (await self._components()).items():
            self._up.labels(name).set(works)
        return generate_latest(self._registry)


class _Counted(Collector):
    def __init__(self, name: str, text: str, label: str | None, read: Callable[[], Mapping[str, int]]) -> None:
        self._name, self._text, self._label, self._read = name, text, label, read

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(self._name, self._text, labels=[self._label] if self._label else [])
        for value, count in self._read().items():
            family.add_metric([value] if self._label else [], count)
        yield family


class _Summed(Collector):
    def __init__(self, name: str, text: str, read: Callable[[], tuple[int, float]]) -> None:
        self._name, self._text, self._read = name, text, read

    def collect(self) -> Iterator[Metric]:
        count, total = self._read()
        yield SummaryMetricFamily(self._name, self._text, count_value=count, sum_value=total)


def _safely(read: Callable[[], float]) -> Callable[[], float]:
    def safely() -> float:
        try:
            return read()
        except Exception:  # noqa: BLE001  # one figure that cannot be had does not cost all the others
            return float("nan")

    return safely
