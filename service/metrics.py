"""metrics: what the worker's own loop did, as Prometheus reads it, at a door of its own on this machine only.

Counts and times, by channel and by outcome: no clinic, no id, no address of anybody is in them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from notifications.wire import BUCKETS
from programs.instants import SECOND
from service.jobs import Worker

HERE = "127.0.0.1"


class Figures(Collector):
    """Read from the worker each time somebody asks; nothing is counted twice to be shown."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def collect(self) -> Iterator[Metric]:
        yield from self._gauges()
        yield from self._messages()
        yield from self._providers()

    def _gauges(self) -> Iterator[Metric]:
        pulse, now = self.worker.pulse, self.worker.clock.now()
        late = max(0, now - pulse.oldest_due) / SECOND if pulse.oldest_due is not None else 0.0
        since = (now - pulse.turned_at) / SECOND
        told = (
            ("oldest_due_seconds", "How long the earliest message has been due; 0 while none is.", late),
            (
                "last_turn_seconds",
                "Since the worker finished a turn, or a batch of one.",
                since,
            ),
            ("failed_turns", "Turns in a row that the database or a fault brought to an end.", pulse.failed_turns),
            ("unaccounted", "Messages neither pending nor ended: anything but 0 is a defect.", pulse.unaccounted),
            ("quarantined", "Messages that raised time after time and wait for the operator.", pulse.quarantined),
            ("restored", "Messages that wait for a choice after a back-up was put back.", pulse.restored),
            ("unplanned", "Patients whose messages cannot be planned.", len(pulse.unplanned)),
            ("uncounted", "Patients whose adherence cannot be counted.", len(pulse.uncounted)),
            ("flags_nobody_acknowledged", "Flags that nobody acknowledged in time.", pulse.nobody),
        )
        for name, said, value in told:
            yield GaugeMetricFamily(f"homestretch_{name}", said, value=value)

    def _messages(self) -> Iterator[Metric]:
        found = CounterMetricFamily("homestretch_messages", "What became of messages in the loop.", labels=("did",))
        for did, count in msgspec.structs.asdict(self.worker.pulse.totals).items():
            found.add_metric((did,), count)
        yield found

    def _providers(self) -> Iterator[Metric]:
        wire = self.worker.wire
        sends = CounterMetricFamily("homestretch_sends", "Answers of providers.", labels=("channel", "result"))
        took = HistogramMetricFamily("homestretch_provider_seconds", "How long they took.", labels=("channel",))
        away = GaugeMetricFamily("homestretch_providers_away", "Providers that do not answer.", labels=("channel",))
        for (channel, result), count in sorted(wire.sends.items()):
            sends.add_metric((channel, result), count)
        for channel, latency in sorted(wire.latency.items()):
            bounds = [*map(str, BUCKETS), "+Inf"]
            took.add_metric((channel,), list(zip(bounds, accumulate(latency.counts), strict=True)), latency.total)
        stuck = GaugeMetricFamily(
            "homestretch_sends_stuck", "Threads whose provider nobody waits for any more.", labels=("channel",)
        )
        open_breakers = wire.open_breakers()
        for channel, it in sorted(wire.channels.items()):
            away.add_metric((channel,), open_breakers[channel])
            if hasattr(it, "stuck"):
                stuck.add_metric((channel,), it.stuck)
        yield from (sends, took, away, stuck)


@contextmanager
def serving(port: int | None, worker: Worker) -> Iterator[int]:
    """The port they are served at, on this machine only; none where none is given.

    Whoever scrapes from elsewhere comes by a tunnel, or by a proxy that asks who they are.
    """
    if port is None:
        yield 0
        return
    registry = CollectorRegistry()
    registry.register(Figures(worker))
    ProcessCollector(registry=registry)
    server, thread = start_http_server(port, addr=HERE, registry=registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
