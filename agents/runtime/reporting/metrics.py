"""What Prometheus reads from an agent."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.runtime.agent import Gauge
from agents.runtime.counters import DURATION_BOUNDS_S, Counters, Durations
from agents.runtime.quota import Quota, Refused
from agents.runtime.serving.hosts import KnownHosts, refusal
from agents.runtime.serving.plain_http import Answer, Request, serving

_COUNTERS = {
    "received": "Messages that the broker delivered.",
    "ignored": "Messages on topics that the agent does not handle.",
    "rejected": "Messages that could not be read, or whose handler failed.",
    "dropped": "QoS 0 messages dropped because a queue was full.",
    "superseded": "QoS 1 messages left to the broker after a lost connection.",
    "retries": "Handler calls repeated because the store or the bus was unavailable.",
    "published": "Messages given to the broker.",
    "publish_failures": "Messages that the broker did not take in time.",
}


class AgentCollector(Collector):
    """Turns an agent's counters into metrics when they are asked for, so that counting costs nothing more."""

    def __init__(
        self,
        agent: str,
        site: str,
        counters: Counters,
        queued: Callable[[], dict[str, int]],
        unacked: Callable[[], int],
        gauges: Callable[[], Iterable[Gauge]] = tuple,
        quotas: Iterable[Quota] = (),
        exceeding: Callable[[], Iterable[Refused]] = tuple,
    ) -> None:
        """Report ``counters``; ``queued`` tells how many messages wait by topic, ``unacked`` how many in all.

        ``gauges`` are the agent's own, ``exceeding`` the senders that the alarm about its ``quotas`` names.
        """
        self._labels = (agent, site)
        self._counters = counters
        self._queued = queued
        self._unacked = unacked
        self._gauges = gauges
        self._quotas = quotas
        self._exceeding = exceeding

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        names = ("agent", "site")
        for field, text in _COUNTERS.items():
            metric = CounterMetricFamily(f"chargebus_{field}", text, labels=names)
            metric.add_metric(self._labels, getattr(self._counters, field))
            yield metric
        reconnections = CounterMetricFamily("chargebus_reconnects", "Connections after the first.", labels=names)
        reconnections.add_metric(self._labels, max(0, self._counters.connections - 1))
        yield reconnections
        unacked = GaugeMetricFamily("chargebus_unacknowledged", "QoS 1 messages being handled.", labels=names)
        unacked.add_metric(self._labels, self._unacked())
        yield unacked
        queued = GaugeMetricFamily("chargebus_queued", "Messages that wait for a handler.", labels=(*names, "topic"))
        for topic, count in self._queued().items():
            queued.add_metric((*self._labels, topic), count)
        yield queued
        durations = HistogramMetricFamily(
            "chargebus_handler_seconds", "Duration of handler calls.", labels=(*names, "topic")
        )
        for topic, histogram in self._counters.handlers.items():
            durations.add_metric((*self._labels, topic), _cumulated(histogram), histogram.total_s)
        yield durations
        yield from self._refused()
        yield from self._own()

    def _refused(self) -> Iterator[Metric]:
        names = ("agent", "site", "quota")
        refused = CounterMetricFamily("chargebus_refused", "What senders were refused by a quota.", labels=names)
        for quota in self._quotas:
            refused.add_metric((*self._labels, quota.name), quota.total)
        yield refused
        text = "Refusals of the senders that exceed a quota now, since they were last quiet."
        senders = GaugeMetricFamily("chargebus_refused_sender", text, labels=(*names, "sender"))
        for each in self._exceeding():
            senders.add_metric((*self._labels, each.quota, each.sender), each.count)
        yield senders

    def _own(self) -> Iterator[Metric]:
        families: dict[str, GaugeMetricFamily] = {}
        for gauge in self._gauges():
            family = families.setdefault(
                gauge.name,
                GaugeMetricFamily(f"chargebus_{gauge.name}", gauge.text, labels=("agent", "site", *gauge.labels)),
            )
            family.add_metric((*self._labels, *gauge.labels.values()), gauge.value)
        yield from families.values()


def _cumulated(histogram: Durations) -> list[tuple[str, float]]:
    total = 0
    buckets = []
    for bound, count in zip([*DURATION_BOUNDS_S, float("inf")], histogram.buckets, strict=True):
        total += count
        buckets.append(("+Inf" if bound == float("inf") else str(bound), float(total)))
    return buckets


@asynccontextmanager
async def serving_metrics(collector: Collector, host: str, port: int, hosts: Sequence[str] = ()) -> AsyncIterator[int]:
    """Serve ``collector`` on http://host:port/metrics until left; yield the port.

    ``hosts`` are further names by which it may be asked. Raises :class:`OSError` if the port is taken.
    """
    registry = CollectorRegistry()
    registry.register(collector)
    known = KnownHosts(host, hosts)

    async def answer(request: Request) -> Answer:
        if request.path.partition("?")[0] not in ("/metrics", "/"):
            return Answer(HTTPStatus.NOT_FOUND, b"metrics are at /metrics\n")
        if request.method != "GET":
            return Answer(HTTPStatus.METHOD_NOT_ALLOWED)
        return Answer(HTTPStatus.OK, generate_latest(registry), CONTENT_TYPE_LATEST)

    async with serving(answer, host, port, admits=lambda headers: refusal(headers, known, upgrade=False)) as where:
        yield where
